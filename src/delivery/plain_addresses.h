// PlainAddresses: where TLS failed lately, so that mail that may go without does
// (TLS = ifavailable), and the next connection does not begin with what fails. For
// those who ask for TLS in the same way only: another one's may work. Of all hops
// together. Loop thread.
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"

#include <cstddef>
#include <map>
#include <string>
#include <utility>

namespace impulse::delivery {

class PlainAddresses {
 public:
  static constexpr auto remembered = std::chrono::minutes(10);
  static constexpr size_t most = 10000;  // of more the next connection tries TLS

  // `how`: Route::how. `why`: one line, not empty.
  void note(const std::string& how, const Endpoint& endpoint, const std::string& why, SteadyTime now) {
    if (failed_.size() >= most) std::erase_if(failed_, [now](const auto& each) { return each.second.until <= now; });
    Key key{endpoint, how};
    if (failed_.size() < most || failed_.contains(key)) failed_[std::move(key)] = {now + remembered, why};
  }
  void forget(const std::string& how, const Endpoint& endpoint) { failed_.erase({endpoint, how}); }
  // Why it failed; empty: TLS is tried.
  std::string because(const std::string& how, const Endpoint& endpoint, SteadyTime now) const {
    const auto found = failed_.find({endpoint, how});
    return found != failed_.end() && now < found->second.until ? found->second.why : std::string();
  }

 private:
  using Key = std::pair<Endpoint, std::string>;
  struct Failed {
    SteadyTime until;
    std::string why;
  };
  std::map<Key, Failed> failed_;
};

}  // namespace impulse::delivery
