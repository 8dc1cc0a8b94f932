#include "intake/sender_match.h"

#include "base/text.h"
#include "message/envelope.h"

#include <string>

namespace impulse::intake {

bool sender_matches(SenderMatch rule, std::string_view sender, std::string_view user) {
  if (rule == SenderMatch::off || sender.empty() || user.empty()) return true;
  const std::string domain = message::domain_of(sender);
  const bool same_domain =
      iequals(domain, user.find('@') == std::string_view::npos ? std::string(user) : message::domain_of(user));
  if (rule == SenderMatch::domain) return same_domain;
  return same_domain && message::local_part_of(sender) == message::local_part_of(user);
}

}  // namespace impulse::intake
