#include "console/inject/filler.h"

namespace impulse::ecinject {

namespace {

constexpr size_t line_size = 64;
constexpr size_t escaped_size = line_size + 2;
constexpr std::string_view words =
    "the quick brown fox jumps over the lazy dog while five wizards box and a jug of liquor is packed with dozens ";

}  // namespace

Filler::Filler(size_t largest) {
  const size_t lines = largest / line_size + 1;
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
  out.append(text_, 0, made.lines * line_size);
  if (made.rest < 2) return;
  out.append(made.rest - 2, 'z');
  out += "\r\n";
}

void Filler::append_json(size_t size, std::string& out) const {
  const Cut made = cut(size);
  out.append(escaped_, 0, made.lines * escaped_size);
  if (made.rest < 2) return;
  out.append(made.rest - 2, 'z');
  out += "\\r\\n";
}

}  // namespace impulse::ecinject
