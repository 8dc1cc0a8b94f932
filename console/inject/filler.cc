#include "console/inject/filler.h"

#include <algorithm>

namespace impulse::ecinject {

namespace {

constexpr size_t line_size = 64;
constexpr size_t escaped_size = line_size + 2;
constexpr size_t most_lines = (size_t{1} << 20) / line_size;  // in memory; longer bodies repeat them
constexpr std::string_view words =
    "the quick brown fox jumps over the lazy dog while five wizards box and a jug of liquor is packed with dozens ";

void append_lines(const std::string& block, size_t lines, size_t size, std::string& out) {
  const size_t whole = block.size() / size;
  for (; lines > whole; lines -= whole) out += block;
  out.append(block, 0, lines * size);
}

}  // namespace

Filler::Filler(size_t largest) {
  const size_t lines = std::min(largest / line_size + 1, most_lines);
  text_.reserve(lines * line_size);
  escaped_.reserve(lines * escaped_size);
  std::string line;
  for (size_t i = 0, from = 0; i < lines; ++i, from = (from + 37) % words.size()) {
    line.clear();
    for (size_t k = 0; k < line_size - 2; ++k) line += words[(from + k) % words.size()];
    if (line.front() == ' ') line.front() = 'x';
    if (line.back() == ' ') line.back() = 'x';
    (text_ += line) += "\r\n";
    (escaped_ += line) += "\\r\\n";
  }
}

Filler::Cut Filler::cut(size_t size) {
  Cut made{size / line_size, size % line_size};
  if (made.rest == 1 && made.lines > 0) {  // an LF alone is no line end
    --made.lines;
    made.rest += line_size;
  }
  return made;
}

void Filler::append(size_t size, std::string& out) const {
  const Cut made = cut(size);
  append_lines(text_, made.lines, line_size, out);
  if (made.rest < 2) return;
  out.append(made.rest - 2, 'z');
  out += "\r\n";
}

void Filler::append_json(size_t size, std::string& out) const {
  const Cut made = cut(size);
  append_lines(escaped_, made.lines, escaped_size, out);
  if (made.rest < 2) return;
  out.append(made.rest - 2, 'z');
  out += "\\r\\n";
}

}  // namespace impulse::ecinject
