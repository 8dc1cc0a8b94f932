// Mailboxes of header fields (RFC 5322 §3.4): display name and address.
#pragma once

#include "base/result.h"
#include "base/text.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::compose {

struct Mailbox {
  std::string name;   // as it is to be read, UTF-8; may be empty
  std::string email;  // local-part@domain
  friend bool operator==(const Mailbox&, const Mailbox&) = default;
};

// An address for header or envelope: message::parse_path's rules, UTF-8 taken.
// Where only the domain goes beyond ASCII it comes back as A-labels, so that
// the message needs no SMTPUTF8.
Result<std::string> checked_address(std::string_view text, bool pedantic = true, bool ip_literals = true);

// RFC 5322 §3.2.3.
constexpr bool is_atext(char c) {
  return is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").contains(c);
}

// "user@domain", "Name <user@domain>", "\"Na, me\" <user@domain>"; with
// commas between several. Strict: no groups, no comments, and what is left
// over is an error. Names may hold UTF-8. RFC 2047 words in names are kept.
Result<std::vector<Mailbox>> parse_mailboxes(std::string_view text);
Result<Mailbox> parse_mailbox(std::string_view text);

// As a header field has it: the name quoted or encoded where needed. The
// address must have been checked, and the name hold no control characters.
std::string to_header(const Mailbox& mailbox);
std::string to_header(std::span<const Mailbox> mailboxes);  // with commas between

}  // namespace impulse::compose
