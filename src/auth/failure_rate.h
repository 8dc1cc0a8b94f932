// FailureRate: how often an address failed to authenticate lately, and how
// often somebody failed to be a user, from wherever. Of IPv6 a /64 is one
// address: any host has all of it to choose from. What an address does at one
// tenant's door is not held against it at another's. Any thread.
#pragma once

#include "base/clock.h"
#include "base/ip.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace impulse::auth {

class FailureRate {
 public:
  // `count` failures within `per` close the door for the rest of the window,
  // which begins with the first of them. A count of 0: no limit. `user` as it
  // was told, whether there is one of that name or not, and in a form that tells
  // users of one tenant from those of another; empty: nobody was named.
  void failed(const IpAddress& address, std::string_view user, Duration per, SteadyTime now,
              std::string_view tenant = {});
  bool refused(const IpAddress& address, uint64_t count, SteadyTime now, std::string_view tenant = {}) const;

  // Strangers who guess must not lock a user out: where that user succeeded
  // before, failures elsewhere do not count.
  void succeeded(const IpAddress& address, std::string_view user);
  bool user_refused(const IpAddress& from, std::string_view user, uint64_t count, SteadyTime now) const;

  size_t addresses() const;
  size_t users() const;

  // Addresses, users, and places of success that are remembered; beyond that,
  // those whose window ends first are forgotten.
  static constexpr size_t limit = 10000;

 private:
  using Door = std::pair<IpAddress, std::string>;  // whose, at which tenant's
  struct Window {
    SteadyTime end{};
    uint64_t failures = 0;
  };
  template <class Key>
  using Windows = std::map<Key, Window>;
  template <class Key>
  static void count(Windows<Key>& windows, const Key& key, Duration per, SteadyTime now);
  template <class Key>
  static bool is_full(const Windows<Key>& windows, const Key& key, uint64_t count, SteadyTime now);
  template <class Key>
  static void make_room(Windows<Key>& windows, SteadyTime now);

  mutable std::mutex mutex_;  // guards what follows
  Windows<Door> addresses_;
  Windows<std::string> users_;                    // by a digest of the name, which may be long
  std::unordered_set<std::string> known_;         // digests of a user and an address
  std::unordered_set<std::string> known_longer_;  // those that were in it until it was full
};

}  // namespace impulse::auth
