#include "intake/relay.h"

#include "config/keys.h"
#include "config/snapshot.h"
#include "message/address.h"
#include "message/envelope.h"

namespace impulse::intake {

void read_relay_rules(const config::Options& options, RelayRules& rules) {
  namespace key = config::key;
  rules.open_relay = options[key::open_relay];
  rules.relay_hosts = options[key::relay_hosts];
  rules.relay_domains = options[key::relay_domains];
  rules.relay_sending_domains = options[key::relay_for_sending_domains];
}

bool may_relay(const RelayRules& rules, const IpAddress& client, std::string_view sender, std::string_view recipient) {
  if (rules.open_relay || rules.relay_hosts.contains(client)) return true;
  if (!sender.empty() && rules.relay_sending_domains.matches(message::domain_of(sender))) return true;
  return rules.relay_domains.matches(message::domain_of(recipient)) &&
         !message::names_a_route(message::local_part_of(recipient));
}

}  // namespace impulse::intake
