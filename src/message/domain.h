// Domains as they stand in addresses: names of LDH labels (RFC 1035 §2.3.1),
// internationalised names (RFC 5890, RFC 6531 §3.3) and address literals
// (RFC 5321 §4.1.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace impulse::message {

enum class AddressFault : uint8_t {
  syntax,      // also UTF-8 that is not well-formed, and labels that IDNA does not allow
  too_long,    // local part over 64, domain over 255, label over 63, or path over 256 octets
  ip_literal,  // an address literal where the rules have none
  not_ascii,   // well-formed UTF-8 outside ASCII where the rules have none
};

constexpr size_t max_domain = 255;
constexpr size_t max_label = 63;

// A domain name in ASCII by the rules: LDH labels; '_' too when not pedantic.
// No address literal.
bool is_domain(std::string_view text, bool pedantic = true);

// The same, or with U-labels: letters beyond ASCII are let through here, and
// judged by ascii_domain(). Says what is wrong; the 63 octets of a label count
// for labels in ASCII, as that of a U-label is its A-label's affair.
std::expected<void, AddressFault> check_domain_shape(std::string_view text, bool pedantic);

// "[192.0.2.1]" or "[IPv6:2001:db8::1]". Leading zeros in the former are
// refused, as some read them as octal.
bool is_address_literal(std::string_view text);

// The form by which names are compared and looked up: lower case, U-labels
// turned into A-labels ("Bücher.example" is "xn--bcher-kva.example"). Names in
// ASCII and literals are lower-cased and nothing else. Names with U-labels are
// mapped by UTS 46 (case, width, NFC) and checked by IDNA 2008: syntax or
// too_long when they cannot stand in the DNS.
std::expected<std::string, AddressFault> ascii_domain(std::string_view domain);

}  // namespace impulse::message
