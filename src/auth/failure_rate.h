// FailureRate: how often an address failed to authenticate lately; of IPv6 a
// /64, which any host has to choose from. One thread's, or under its owner's lock.
#pragma once

#include "base/clock.h"
#include "base/ip.h"

#include <cstddef>
#include <cstdint>
#include <map>

namespace impulse::auth {

class FailureRate {
 public:
  // `count` failures within `per` close the door for the rest of the window,
  // which begins with the first of them. A count of 0: no limit.
  void failed(const IpAddress& address, Duration per, SteadyTime now);
  bool refused(const IpAddress& address, uint64_t count, SteadyTime now) const;
  size_t size() const { return windows_.size(); }

  // Addresses that are remembered; beyond that, those whose window ends first are forgotten.
  static constexpr size_t limit = 10000;

 private:
  struct Window {
    SteadyTime end{};
    uint64_t failures = 0;
  };
  void make_room(SteadyTime now);

  std::map<IpAddress, Window> windows_;
};

}  // namespace impulse::auth
