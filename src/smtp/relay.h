// Who may send where: the relay rules of a policy (Open_Relay, Relay_Hosts,
// Relay_Domains, Relay_For_Sending_Domains).
#pragma once

#include "base/ip.h"
#include "smtp/policy.h"

#include <string_view>

namespace impulse::smtp {

// Whether `client` may send from `sender` (empty: the null sender) to
// `recipient`, which has a domain. What counts is the domain behind the last
// '@' outside quotes: source routes have been dropped by the parser, and a way
// on inside the local part (user%host@ours, host!user@ours, "user@host"@ours)
// is a relay probe that a stranger is refused even where the domain is ours.
bool may_relay(const Policy& policy, const IpAddress& client, std::string_view sender, std::string_view recipient);

}  // namespace impulse::smtp
