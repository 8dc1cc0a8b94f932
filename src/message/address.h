// Addresses as they stand in the envelope: RFC 5321 §4.1.2 (Path, Mailbox)
// and §4.1.3 (address literals), with the size limits of §4.5.3.1.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace impulse::message {

struct AddressRules {
  bool pedantic = true;     // false: "a..b", ".a" and "a." are local parts too, and '_' may stand in a domain
  bool ip_literals = true;  // false: user@[192.0.2.1] is AddressFault::ip_literal
  bool whitespace = false;  // true: white space inside the angle brackets' ends is skipped: < a@b >
};

enum class AddressFault : uint8_t {
  syntax,
  too_long,    // local part over 64, domain over 255, label over 63, or path over 256 octets
  ip_literal,  // an address literal where the rules have none
  not_ascii,   // well-formed UTF-8 outside ASCII (RFC 6531 would be needed)
};

constexpr size_t max_local_part = 64;
constexpr size_t max_domain = 255;
constexpr size_t max_path = 256;  // with the angle brackets

struct Path {
  // local-part@domain byte by byte as written, without brackets and source
  // route; only the local part when there was no domain; empty for "<>".
  std::string address;
  bool has_domain = false;
  size_t used = 0;  // octets of the text up to and including the '>'
};

// Reads the path at the very start of `text`; what follows the '>' is not
// looked at. "<>" is a path (the null sender); a source route is checked and
// dropped (RFC 5321 appendix C).
std::expected<Path, AddressFault> parse_path(std::string_view text, const AddressRules& rules);

// A domain name by the rules: LDH labels. No address literal.
bool is_domain(std::string_view text, bool pedantic = true);
// "[192.0.2.1]" or "[IPv6:2001:db8::1]".
bool is_address_literal(std::string_view text);
// The local part is "postmaster", in any case.
bool is_postmaster(std::string_view address);
// The local part holds a way on to somewhere else: user%host, host!user or
// "user@host". Such a recipient is a relay probe when a stranger sends it.
bool names_a_route(std::string_view local_part);

}  // namespace impulse::message
