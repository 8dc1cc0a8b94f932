// SilentAddresses: which addresses of next hosts let us wait in vain when we last
// tried them, so that the next connection begins with those that answer. They are
// still tried when no other is left. Of all hops together. Loop thread.
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"

#include <cstddef>
#include <map>

namespace impulse::delivery {

class SilentAddresses {
 public:
  // What failed sooner has cost nothing worth remembering.
  static constexpr auto worth = std::chrono::milliseconds(500);
  static constexpr auto remembered = std::chrono::minutes(5);
  static constexpr size_t most = 10000;  // more are not remembered

  void note(const Endpoint& endpoint, SteadyTime now) {
    if (until_.size() >= most) std::erase_if(until_, [now](const auto& each) { return each.second <= now; });
    if (until_.size() < most || until_.contains(endpoint)) until_[endpoint] = now + remembered;
  }
  void forget(const Endpoint& endpoint) { until_.erase(endpoint); }
  bool contains(const Endpoint& endpoint, SteadyTime now) const {
    const auto found = until_.find(endpoint);
    return found != until_.end() && now < found->second;
  }

 private:
  std::map<Endpoint, SteadyTime> until_;
};

}  // namespace impulse::delivery
