#include "smtp/replies.h"

#include "base/concat.h"
#include "base/text.h"

#include <algorithm>

namespace impulse::smtp {

void append_reply_line(std::string& out, int code, std::string_view enhanced, std::string_view text, bool last) {
  constexpr size_t longest = 510;  // without CRLF, RFC 5321 §4.5.3.1.5
  const size_t start = out.size();
  append(out, Digits(static_cast<uint64_t>(code), 3), last ? " " : "-", enhanced, enhanced.empty() ? "" : " ", text);
  const auto harmful = [](char c) { return c < ' ' || c >= 0x7F; };
  std::replace_if(out.end() - static_cast<ptrdiff_t>(text.size()), out.end(), harmful, '?');
  if (out.size() - start > longest) out.resize(start + longest);
  out += "\r\n";
}

void append_auth_challenge(std::string& out, std::string_view challenge) {
  out += "334 ";
  out += challenge;
  out += "\r\n";
}

CodedText split_enhanced(std::string_view text) {
  size_t at = 0;
  for (int part = 0; part < 3; ++part) {
    const size_t start = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    if (at == start || at - start > 3) return {{}, text};
    if (part < 2 && (at == text.size() || text[at++] != '.')) return {{}, text};
  }
  if (at < text.size() && text[at] != ' ') return {{}, text};
  return {text.substr(0, at), at < text.size() ? text.substr(at + 1) : std::string_view()};
}

}  // namespace impulse::smtp
