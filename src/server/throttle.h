// Throttles: Inbound_Throttle_Messages. Messages are counted by the scope that
// sets the rate: a Pathway's is shared by all who name it, a Peer's by all of
// that network, the global one by everybody; but each tenant's clients share it
// among themselves.
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/ip.h"
#include "config/snapshot.h"
#include "server/rate_window.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace impulse::server {

// What one scope has let in. Any thread.
class Throttle {
 public:
  bool full(const config::Rate& rate, SteadyTime now) {
    const std::lock_guard lock(mutex_);
    return window_.full(rate, now);
  }
  // Counts one more message, or so many at once; false: that is too many.
  bool take(const config::Rate& rate, SteadyTime now, uint64_t messages = 1) {
    const std::lock_guard lock(mutex_);
    per_ = rate.per;
    return window_.take(rate, now, messages);
  }
  // Nothing was accepted after all.
  void give_back(uint64_t messages = 1) {
    const std::lock_guard lock(mutex_);
    window_.give_back(messages);
  }
  bool over(SteadyTime now) const {
    const std::lock_guard lock(mutex_);
    return window_.over(per_, now);
  }

 private:
  mutable std::mutex mutex_;
  RateWindow window_;
  Duration per_{0};
};
using ThrottlePtr = std::shared_ptr<Throttle>;

class Throttles {
 public:
  // That of a client whose options these are; null: nobody sets a rate. Found
  // once for each chain of scopes of a configuration. Any thread. `tenant`: whose
  // client it turned out to be, where its options say nobody's.
  ThrottlePtr of(const config::Snapshot& snapshot, const config::Options& options, config::ScopeKind listener,
                 const Endpoint& listen, const IpAddress& client, SteadyTime now, std::string_view tenant = {});

 private:
  ThrottlePtr at(const std::string& scope, SteadyTime now);

  static constexpr size_t most_kept = 4096;  // then those that nobody has and that are over go
  std::mutex mutex_;                         // guards what follows
  std::map<std::string, ThrottlePtr> scopes_;
};

}  // namespace impulse::server
