#include "message/report_parts.h"

#include <algorithm>
#include <cstdint>

namespace impulse::message::report {
namespace {

constexpr size_t max_boundary = 70;  // RFC 2046 §5.1.1

// What stands in front of the next ';' outside of quotes.
std::string_view take_parameter(std::string_view& text) {
  bool quoted = false;
  size_t end = 0;
  for (; end < text.size() && (quoted || text[end] != ';'); ++end) {
    if (text[end] == '"') quoted = !quoted;
    if (text[end] == '\\' && quoted && end + 1 < text.size()) ++end;
  }
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return trim(part);
}

std::string unquoted(std::string_view value) {
  if (!value.starts_with('"')) return std::string(value);
  std::string text;
  for (size_t i = 1; i < value.size() && value[i] != '"'; ++i) {
    if (value[i] == '\\' && i + 1 < value.size()) ++i;
    text += value[i];
  }
  return text;
}

enum class Line : uint8_t { text, delimiter, end };

Line kind_of(std::string_view line, std::string_view boundary) {
  if (!line.starts_with("--") || !line.substr(2).starts_with(boundary)) return Line::text;
  line.remove_prefix(2 + boundary.size());
  const bool last = line.starts_with("--");
  if (last) line.remove_prefix(2);
  if (!trim(line).empty()) return Line::text;
  return last ? Line::end : Line::delimiter;
}

}  // namespace

std::string_view take_line(std::string_view& text) {
  const size_t newline = text.find('\n');
  std::string_view line = text.substr(0, newline);
  text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string without_comments(std::string_view value) {
  std::string text;
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\\' && i + 1 < value.size()) {
      if (depth == 0) text.append(value, i, 2);
      ++i;
    } else if (quoted) {
      quoted = c != '"';
      text += c;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && depth > 0) {
      --depth;
    } else if (depth == 0) {
      quoted = c == '"';
      text += c;
    }
  }
  return text;
}

ContentType content_type(std::string_view value) {
  const std::string plain = without_comments(value);
  std::string_view rest = plain;
  ContentType found{lower(take_parameter(rest)), {}, {}};
  while (!rest.empty()) {
    const std::string_view parameter = take_parameter(rest);
    const size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = trim(parameter.substr(0, equals));
    const std::string_view text = trim(parameter.substr(equals + 1));
    if (iequals(name, "boundary") && found.boundary.empty()) found.boundary = unquoted(text);
    if (iequals(name, "report-type") && found.report_type.empty()) found.report_type = lower(unquoted(text));
  }
  return found;
}

Header take_header(std::string_view& text) {
  std::optional<ContentType> type;
  std::optional<std::string> encoding;
  take_fields(text, [&](const Field& field) {
    if (!type && iequals(field.name, "Content-Type")) type = content_type(field.value);
    if (!encoding && iequals(field.name, "Content-Transfer-Encoding"))
      encoding = lower(trim(without_comments(field.value)));
  });
  return {type.value_or(ContentType{}), encoding.value_or(std::string())};
}

Parts::Parts(std::string_view body, std::string boundary) : rest_(body), boundary_(std::move(boundary)) {
  if (boundary_.empty() || boundary_.size() > max_boundary) return;
  take();
}

// All up to the next delimiter, which is taken, too.
std::string_view Parts::take() {
  const std::string_view whole = rest_;
  more_ = false;
  while (!rest_.empty()) {
    const auto length = static_cast<size_t>(rest_.data() - whole.data());
    const Line kind = kind_of(take_line(rest_), boundary_);
    if (kind == Line::text) continue;
    more_ = kind == Line::delimiter;
    std::string_view part = whole.substr(0, length);
    if (part.ends_with('\n')) part.remove_suffix(1);
    if (part.ends_with('\r')) part.remove_suffix(1);
    return part;
  }
  return whole;
}

std::optional<std::string_view> Parts::next() {
  if (!more_) return std::nullopt;
  return take();
}

std::string kept(std::string_view text) { return std::string(trim(text).substr(0, most_text)); }

std::string_view typed(std::string_view value, std::string_view& type) {
  const size_t semicolon = value.find(';');
  type = semicolon == std::string_view::npos ? std::string_view() : trim(value.substr(0, semicolon));
  return trim(value.substr(semicolon == std::string_view::npos ? 0 : semicolon + 1));
}

std::string one_line(std::string_view value) {
  std::string text;
  for (const std::string_view word : words(value)) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return kept(text);
}

}  // namespace impulse::message::report
