#include "console/place.h"

#include "base/text.h"

#include <algorithm>

namespace impulse::console {

namespace {

constexpr std::string_view indent = "  ";
constexpr size_t widest = 160;  // of a long line only the part around the place is shown

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The number in front of the next ':', which is taken too.
std::optional<size_t> take_number(std::string_view& rest) {
  const size_t colon = rest.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const auto number = parse_unsigned(rest.substr(0, colon), 1 << 30);
  if (!number || *number == 0) return std::nullopt;
  rest.remove_prefix(colon + 1);
  return static_cast<size_t>(*number);
}

}  // namespace

std::optional<Place> read_place(std::string_view text) {
  constexpr std::string_view name = "console:";
  if (!text.starts_with(name)) return std::nullopt;
  text.remove_prefix(name.size());
  const auto line = take_number(text);
  const auto column = line ? take_number(text) : std::nullopt;
  if (!column) return std::nullopt;
  if (text.starts_with(' ')) text.remove_prefix(1);
  return Place{*line, *column, text};
}

std::string caret(std::string_view line, size_t column) {
  if (column == 0 || column > line.size() + 1) return {};
  size_t begin = 0;
  if (column > widest) begin = column - widest / 2;
  while (begin > 0 && begin < line.size() && continues(line[begin])) --begin;
  size_t end = std::min(line.size(), begin + widest);
  while (end < line.size() && continues(line[end])) ++end;
  std::string under;
  for (size_t i = begin; i + 1 < column; ++i) {
    if (line[i] == '\t')
      under += '\t';
    else if (!continues(line[i]))
      under += ' ';
  }
  return fmt::format("{}{}\n{}{}^", indent, line.substr(begin, end - begin), indent, under);
}

}  // namespace impulse::console
