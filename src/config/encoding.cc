#include "config/encoding.h"

#include "base/text.h"
#include "config/diagnostic_ids.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace impulse::config {

namespace {

// The next byte from `i` on that is not plain ASCII, NUL included.
size_t next_special(std::string_view text, size_t i) {
  constexpr uint64_t ones = 0x0101010101010101;
  constexpr uint64_t highs = 0x8080808080808080;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t eight;
    std::memcpy(&eight, text.data() + i, 8);
    // A high bit, or (the borrow of) a zero byte.
    if (((eight | (eight - ones)) & highs) != 0) break;
  }
  while (i < text.size() && text[i] != '\0' && static_cast<unsigned char>(text[i]) < 0x80) ++i;
  return i;
}

// Bytes of the character that starts at `i`, 0 when it is not well-formed.
size_t sequence(std::string_view text, size_t i) {
  const auto first = static_cast<unsigned char>(text[i]);
  if (first < 0x80) return first == 0 ? 0 : 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  return i + length <= text.size() && is_utf8(text.substr(i, length)) ? length : 0;
}

}  // namespace

bool check_encoding(std::string_view text, DiagnosticSink& sink) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    sink.error(id::encoding, {1, 1}, 2, "expected UTF-8, found UTF-16", "save the file as UTF-8");
    return false;
  }
  uint32_t line = 1;
  size_t line_start = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  size_t counted = 0;  // up to here the lines have been counted
  for (size_t i = next_special(text, 0); i < text.size(); i = next_special(text, i)) {
    if (const size_t length = sequence(text, i)) {
      i += length;
      continue;
    }
    const size_t begin = i;
    const bool nul = text[i] == '\0';
    while (i < text.size() && (text[i] == '\0') == nul && sequence(text, i) == 0) ++i;
    if (sink.full()) {  // a damaged file may have a million of them
      sink.count_error();
      continue;
    }
    const std::string_view before = text.substr(0, begin);
    for (size_t end; (end = before.find('\n', counted)) != std::string_view::npos; ++line)
      line_start = counted = end + 1;
    counted = begin;
    const Place place{line, static_cast<uint32_t>(begin - line_start + 1)};
    sink.error(id::encoding, place, i - begin,
               nul ? std::string("expected text, found a NUL byte")
                   : fmt::format("expected UTF-8, found {}", shown(text.substr(begin, std::min<size_t>(i - begin, 8)))),
               nul ? std::string() : std::string("save the file as UTF-8"));
  }
  return true;
}

}  // namespace impulse::config
