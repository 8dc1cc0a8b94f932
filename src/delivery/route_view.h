// RouteView: where mail of a domain goes, and how long that is known, for the
// console.
#pragma once

#include "base/clock.h"
#include "base/ip.h"
#include "delivery/gateway.h"
#include "delivery/route.h"

#include <optional>
#include <string>
#include <vector>

namespace impulse::delivery {

struct RouteView {
  struct Host {
    Gateway gateway;
    std::vector<IpAddress> addresses;  // as far as they are remembered
    std::string problem;               // of the look-up that found none
    std::optional<Duration> ttl;       // what is left of them
  };
  std::string domain;
  Route::Method method = Route::Method::none;
  bool lmtp = false;
  bool ecstream = false;
  bool suspended = false;         // by Suspend_Delivery
  bool looked_up = false;         // by the DNS, else as the configuration says
  bool pending = false;           // being looked up
  std::string problem;            // there is no way: why
  bool permanent = false;         // and that will stay
  std::optional<Duration> ttl;    // left, of what was looked up
  std::vector<Host> hosts;        // by rank
  std::vector<std::string> also;  // domains that are known to go to the same hosts, some
};

}  // namespace impulse::delivery
