// Addresses as they stand in the envelope: RFC 5321 §4.1.2 (Path, Mailbox)
// and §4.1.3 (address literals), RFC 6531 §3.3 (UTF-8), with the size limits
// of RFC 5321 §4.5.3.1, which count octets. What does not fit is refused,
// never cut.
#pragma once

#include "message/domain.h"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace impulse::message {

struct AddressRules {
  bool pedantic = true;     // false: "a..b", ".a" and "a." are local parts too, and '_' may stand in a domain
  bool ip_literals = true;  // false: user@[192.0.2.1] is AddressFault::ip_literal
  bool whitespace = false;  // true: white space inside the angle brackets' ends is skipped: < a@b >
  bool smtputf8 = false;    // true: well-formed UTF-8 may stand in local parts and domains (RFC 6531 §3.3)
};

constexpr size_t max_local_part = 64;
constexpr size_t max_path = 256;  // with the angle brackets

struct Path {
  // local-part@domain byte by byte as written, without brackets and source
  // route; only the local part when there was no domain; empty for "<>".
  std::string address;
  bool has_domain = false;
  bool source_route = false;  // "@one,@two:" stood in front, and was dropped
  size_t used = 0;            // octets of the text up to and including the '>'
};

// Reads the path at the very start of `text`; what follows the '>' is not
// looked at. "<>" is a path (the null sender); a source route is checked and
// dropped (RFC 5321 appendix C).
std::expected<Path, AddressFault> parse_path(std::string_view text, const AddressRules& rules);

// The local part is "postmaster", in any case, quoted or not.
bool is_postmaster(std::string_view address);
// The local part holds a way on to somewhere else: user%host, host!user or
// "user@host". Such a recipient is a relay probe when a stranger sends it.
bool names_a_route(std::string_view local_part);

}  // namespace impulse::message
