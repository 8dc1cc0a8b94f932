// Text that a terminal may be shown: what came from outside cannot move its
// cursor, forge a line or break its character set. Backslashes stay as they
// are (escape_line doubles them), since configuration values are full of them.
#pragma once

#include "base/text.h"

#include <string>
#include <string_view>

namespace impulse::control {

// No control characters but the tab, no C1 controls, well-formed UTF-8.
inline bool is_safe_text(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\t') || c == 0x7F) return false;
    if (c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) return false;
  }
  return is_ascii(text) || is_utf8(text);
}

// The same text with whatever is not safe escaped as in C.
inline std::string safe_text(std::string_view text) {
  if (is_safe_text(text)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    // Backslashes, tabs and the rest of the safe text are copied; escape_line
    // knows how to write what is left, one character of it at a time.
    size_t length = 1;
    while (length < 4 && length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) ++length;
    if (static_cast<unsigned char>(text.front()) < 0xC0 || !is_utf8(text.substr(0, length))) length = 1;
    const std::string_view character = text.substr(0, length);
    if (is_safe_text(character))
      out += character;
    else
      out += escape_line(character);
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace impulse::control
