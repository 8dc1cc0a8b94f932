// Who may send where: the relay rules (Open_Relay, Relay_Hosts, Relay_Domains,
// Relay_For_Sending_Domains), for clients that have no better claim.
#pragma once

#include "base/ip.h"
#include "config/value.h"

#include <string_view>

namespace impulse::config {
class Options;
}

namespace impulse::intake {

struct RelayRules {
  bool open_relay = false;
  NetworkList relay_hosts;
  config::GlobList relay_domains;
  config::GlobList relay_sending_domains;

  friend bool operator==(const RelayRules&, const RelayRules&) = default;
};

void read_relay_rules(const config::Options& options, RelayRules& rules);

// Whether `client` may send from `sender` (empty: the null sender) to
// `recipient`, which has a domain. What counts is the domain behind the last
// '@' outside quotes: source routes have been dropped by the parser, and a way
// on inside the local part (user%host@ours, host!user@ours, "user@host"@ours)
// is a relay probe that a stranger is refused even where the domain is ours.
bool may_relay(const RelayRules& rules, const IpAddress& client, std::string_view sender, std::string_view recipient);

}  // namespace impulse::intake
