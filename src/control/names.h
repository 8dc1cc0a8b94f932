// Names: what console commands may ask of the daemon about the DNS and about
// where mail goes. server/ implements it; tests pass a fake. Main thread only;
// nothing here waits for a name server.
#pragma once

#include "base/clock.h"
#include "base/ip.h"
#include "dns/resolver.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::control {

struct RouteHost {
  std::string host;                  // a name, an address, or the path of a Unix socket
  uint16_t port = 25;                // 0: has none, being a path
  uint16_t rank = 0;                 // the lowest is tried first
  bool from_dns = false;             // an MX record, or the domain itself; else the configuration
  std::vector<IpAddress> addresses;  // as far as they are remembered
  std::string problem;               // why there are none
  std::optional<Duration> ttl;       // what is left of them
};

// Where mail of a domain goes, as far as that is known.
struct DomainRoute {
  std::string domain;
  std::string method;           // "esmtp", "lmtp", "ecstream", "maildir", "blackhole", "none"
  bool looked_up = false;       // in the DNS, else the configuration says it all
  bool pending = false;         // being looked up
  std::string problem;          // there is no way: why
  bool permanent = false;       // and mail fails for that
  std::optional<Duration> ttl;  // left, of what was looked up; none: nothing was
  std::vector<RouteHost> hosts;
  std::vector<std::string> also;  // other domains that go to the same hosts; some of them
};

class Names {
 public:
  virtual ~Names() = default;
  virtual DomainRoute route(std::string_view domain) = 0;
  // Looks it up anew; "" every one that is remembered. How many those were; 0:
  // there is nothing to look up.
  virtual size_t refresh(const std::string& domain) = 0;

  virtual dns::AnswerPtr remembered(std::string_view name, dns::Type type) = 0;  // null: not
  virtual void submit(std::string_view name, dns::Type type) = 0;
  virtual std::vector<dns::Remembered> list(size_t limit) = 0;
  virtual size_t flush(std::string_view name) = 0;  // "" all; how many answers
  virtual dns::Statistics statistics() = 0;
};

}  // namespace impulse::control
