#include "message/domain.h"

#include "base/ip.h"
#include "base/text.h"

#include <idn2.h>

#include <algorithm>
#include <memory>

namespace impulse::message {

namespace {

bool is_8bit(char c) { return static_cast<unsigned char>(c) >= 0x80; }

size_t dots(std::string_view text) { return static_cast<size_t>(std::count(text.begin(), text.end(), '.')); }

}  // namespace

std::expected<void, AddressFault> check_domain_shape(std::string_view text, bool pedantic) {
  if (text.size() > max_domain) return std::unexpected(AddressFault::too_long);
  bool long_label = false;
  for (size_t start = 0; start <= text.size();) {
    const std::string_view label = text.substr(start, std::min(text.find('.', start), text.size()) - start);
    if (label.empty() || label.front() == '-' || label.back() == '-') return std::unexpected(AddressFault::syntax);
    bool ascii = true;
    for (const char c : label) {
      if (is_8bit(c))
        ascii = false;
      else if (!is_alpha(c) && !is_digit(c) && c != '-' && (c != '_' || pedantic))
        return std::unexpected(AddressFault::syntax);
    }
    long_label |= ascii && label.size() > max_label;
    start += label.size() + 1;
  }
  if (long_label) return std::unexpected(AddressFault::too_long);
  return {};
}

bool is_domain(std::string_view text, bool pedantic) {
  return is_ascii(text) && check_domain_shape(text, pedantic).has_value();
}

bool is_address_literal(std::string_view text) {
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return false;
  text = text.substr(1, text.size() - 2);
  constexpr std::string_view tag = "IPv6:";
  if (istarts_with(text, tag)) {
    text.remove_prefix(tag.size());
    return text.contains(':') && IpAddress::parse(text).has_value();
  }
  return !text.contains(':') && IpAddress::parse(text).has_value();
}

std::expected<std::string, AddressFault> ascii_domain(std::string_view domain) {
  if (is_ascii(domain)) return lower(domain);
  // After this the text holds no NUL, at which libidn2 would take it to end.
  if (const auto shape = check_domain_shape(domain, false); !shape) return std::unexpected(shape.error());
  uint8_t* raw = nullptr;
  const std::string text(domain);
  const int result =
      idn2_lookup_u8(reinterpret_cast<const uint8_t*>(text.c_str()), &raw, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<uint8_t, decltype(&idn2_free)> owner(raw, &idn2_free);
  if (result == IDN2_TOO_BIG_DOMAIN || result == IDN2_TOO_BIG_LABEL || result == IDN2_PUNYCODE_BIG_OUTPUT)
    return std::unexpected(AddressFault::too_long);
  if (result != IDN2_OK || raw == nullptr) return std::unexpected(AddressFault::syntax);
  std::string ascii = lower(reinterpret_cast<const char*>(raw));
  // Mapping may make dots of other characters, or nothing of a soft hyphen:
  // what was written must have the labels that are looked up.
  if (dots(ascii) != dots(domain) || !is_ascii(ascii)) return std::unexpected(AddressFault::syntax);
  if (const auto shape = check_domain_shape(ascii, false); !shape) return std::unexpected(shape.error());
  if (ascii.contains('_') && !domain.contains('_')) return std::unexpected(AddressFault::syntax);
  return ascii;
}

}  // namespace impulse::message
