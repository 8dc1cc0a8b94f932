#include "message/envelope.h"

#include "base/text.h"
#include "message/domain.h"

#include <algorithm>

namespace impulse::message {

namespace {

// Where the '@' before the domain stands; npos when there is no domain. A
// quoted string may hold others, and so may an ill-formed address: the last counts.
size_t domain_separator(std::string_view address) {
  size_t found = std::string_view::npos;
  bool quoted = false;
  for (size_t i = 0; i < address.size(); ++i) {
    const char c = address[i];
    if (c == '"')
      quoted = !quoted;
    else if (c == '\\' && quoted)
      ++i;
    else if (c == '@' && !quoted)
      found = i;
  }
  return found;
}

}  // namespace

bool has_utf8_address(const Envelope& envelope) {
  return !is_ascii(envelope.sender) ||
         std::any_of(envelope.recipients.begin(), envelope.recipients.end(),
                     [](const auto& recipient) { return !is_ascii(recipient.address) || !is_ascii(recipient.orcpt); });
}

std::string domain_of(std::string_view address) {
  const size_t at = domain_separator(address);
  if (at == std::string_view::npos) return "localhost";
  const std::string_view domain = address.substr(at + 1);
  return ascii_domain(domain).value_or(lower(domain));
}

std::string_view local_part_of(std::string_view address) { return address.substr(0, domain_separator(address)); }

}  // namespace impulse::message
