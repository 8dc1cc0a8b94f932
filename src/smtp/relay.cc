#include "smtp/relay.h"

#include "message/address.h"
#include "message/envelope.h"

namespace impulse::smtp {

bool may_relay(const Policy& policy, const IpAddress& client, std::string_view sender, std::string_view recipient) {
  if (policy.open_relay || policy.relay_hosts.contains(client)) return true;
  if (!sender.empty() && policy.relay_sending_domains.matches(message::domain_of(sender))) return true;
  return policy.relay_domains.matches(message::domain_of(recipient)) &&
         !message::names_a_route(message::local_part_of(recipient));
}

}  // namespace impulse::smtp
