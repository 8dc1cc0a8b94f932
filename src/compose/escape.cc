#include "compose/escape.h"

#include "base/html.h"
#include "base/text.h"

#include <algorithm>

namespace impulse::compose {

void append_html(std::string& out, std::string_view text) {
  while (true) {
    const size_t slash = text.find('/');
    impulse::append_html(out, text.substr(0, slash));
    if (slash == std::string_view::npos) return;
    out += "&#x2F;";
    text.remove_prefix(slash + 1);
  }
}

void append_url(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : text) {
    if (is_alpha(c) || is_digit(c) || std::string_view("-._~").contains(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text,
                             [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F; });
}

}  // namespace impulse::compose
