// Places and diagnostics as people read them.
#include "config/source.h"

#include "base/text.h"
#include "config/secrecy.h"

#include <fmt/format.h>

#include <algorithm>

namespace impulse::config {

namespace {

// Cells of source text that a rendered line may show, and how many of them
// may stand before the caret.
constexpr size_t window_cells = 120;
constexpr size_t cells_before = 60;
constexpr size_t tab_stop = 8;

constexpr bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Line `number` of a text, without its end; empty when there is no such line.
std::string_view line_of(std::string_view text, uint32_t number) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // columns count behind it, too
  for (uint32_t line = 1; line < number; ++line) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

// One character at the start of `text`: its bytes, and the text for one cell.
// What a terminal would obey and what is not UTF-8 is shown as U+FFFD.
struct Character {
  size_t bytes = 1;
  std::string_view cell;
};
Character character_at(std::string_view text) {
  static constexpr std::string_view replacement = "\xEF\xBF\xBD";
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return {1, first < 0x20 || first == 0x7F ? replacement : text.substr(0, 1)};
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  const std::string_view sequence = text.substr(0, length);
  if (!is_utf8(sequence)) return {1, replacement};
  const bool control = length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
  return {length, control ? replacement : sequence};
}

struct Excerpt {
  std::string line;
  size_t caret = 0;  // cells before the caret
  size_t cells = 1;  // under the caret line's ^~~~
};

// The part of a line that shows `length` bytes from byte `at` on, one cell a
// character, tabs widened, what is far away cut.
Excerpt excerpt(std::string_view line, size_t at, size_t length) {
  at = std::min(at, line.size());
  length = std::min(length, line.size() - at);
  Excerpt result;
  size_t cells = 0;
  std::string_view rest = line;
  size_t offset = 0;
  if (at > cells_before) {
    offset = at - cells_before;
    while (offset < at && continues(line[offset])) ++offset;
    rest = line.substr(offset);
    result.line = "…";
    cells = 1;
  }
  bool seen = false;
  const size_t end = at + length;
  size_t last = 0;  // cells at the end of what is underlined
  while (!rest.empty()) {
    if (offset >= at && !seen) {
      seen = true;
      result.caret = cells;
    }
    if (cells >= window_cells) {
      result.line += "…";
      break;
    }
    const Character character = character_at(rest);
    if (rest.front() == '\t') {
      const size_t width = tab_stop - cells % tab_stop;
      result.line.append(width, ' ');
      cells += width;
    } else {
      result.line += character.cell;
      ++cells;
    }
    if (offset < end) last = cells;
    rest.remove_prefix(character.bytes);
    offset += character.bytes;
  }
  if (!seen) result.caret = cells;
  result.cells = last > result.caret ? last - result.caret : 1;
  while (result.line.ends_with(' ')) result.line.pop_back();
  return result;
}

std::string_view name_of(Diagnostic::Severity severity) {
  switch (severity) {
    case Diagnostic::Severity::warning:
      return "warning";
    case Diagnostic::Severity::notice:
      return "notice";
    case Diagnostic::Severity::error:
      break;
  }
  return "error";
}

}  // namespace

std::string Origin::to_string() const {
  if (!source) return "default";
  if (place.line == 0) return source->name;
  return fmt::format("{}:{}:{}", source->name, place.line, place.column);
}

std::string Diagnostic::headline() const {
  std::string text;
  if (origin.source) text = origin.to_string() + ": ";
  text += message;
  if (!hint.empty()) text += "; " + hint;
  return text;
}

std::string Diagnostic::render() const {
  std::string text;
  if (origin.source) text = origin.to_string() + ": ";
  text += fmt::format("{}: {} [{}]", name_of(severity), message, id);
  if (origin.source && origin.place.line != 0) {
    const std::string_view line = line_of(origin.source->text, origin.place.line);
    const size_t column = std::max<uint32_t>(origin.place.column, 1);
    // Whoever may use the console may not have the right to read the file.
    const std::string_view text_all = origin.source->text;
    const auto begin = line.empty() ? size_t{0} : static_cast<size_t>(line.data() - text_all.data());
    const size_t secret = secret_in_line(text_all, begin, begin + line.size(), begin + column - 1);
    const Excerpt shown =
        secret == std::string_view::npos
            ? excerpt(line, column - 1, length)
            : excerpt(std::string(line.substr(0, secret - begin)) + " (redacted)", column - 1,
                      std::min<size_t>(length, std::max<size_t>(secret - begin, column) - column + 1));
    const std::string number = fmt::format("{:5}", origin.place.line);
    text += fmt::format("\n{} |{}{}", number, shown.line.empty() ? "" : " ", shown.line);
    text += fmt::format("\n{:{}} | {:{}}^{:~<{}}", "", number.size(), "", shown.caret, "", shown.cells - 1);
  }
  if (!hint.empty()) text += "\n" + hint;
  for (const Origin& from : include_stack) text += "\nincluded from " + from.to_string();
  return text;
}

bool has_errors(const Diagnostics& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Diagnostic::Severity::error; });
}

}  // namespace impulse::config
