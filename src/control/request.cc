#include "control/request.h"

#include "base/text.h"
#include "control/limits.h"

#include <algorithm>

namespace impulse::control {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool is_tag_character(char c) { return is_alpha(c) || is_digit(c) || c == '.' || c == '_' || c == '-'; }

bool is_tag(std::string_view text) {
  return !text.empty() && text.size() <= max_tag && std::all_of(text.begin(), text.end(), is_tag_character);
}

std::string_view without_blanks_behind(std::string_view line) {
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  return line;
}

// The last word of the line if it is a marker, else an empty view.
std::string_view marker_of(std::string_view line) {
  line = without_blanks_behind(line);
  const size_t blank = line.find_last_of(" \t");
  if (blank == std::string_view::npos) return {};  // a marker alone has no command
  const std::string_view last = line.substr(blank + 1);
  if (!last.starts_with("<<")) return {};
  const std::string_view word = last.substr(2);
  const auto fits = [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; };
  if (word.empty() || word.size() > max_word || is_digit(word.front()) || !std::all_of(word.begin(), word.end(), fits))
    return {};
  return last;
}

std::string_view first_word(std::string_view line) { return line.substr(0, line.find_first_of(" \t")); }

size_t skip_blanks(std::string_view line, size_t from) {
  while (from < line.size() && is_blank(line[from])) ++from;
  return from;
}

}  // namespace

std::string tag_of(std::string_view line) {
  if (!line.starts_with('@')) return {};
  const std::string_view tag = first_word(line).substr(1);
  return is_tag(tag) ? std::string(tag) : std::string();
}

std::string payload_word_of(std::string_view line) {
  const std::string_view marker = marker_of(line);
  return marker.empty() ? std::string() : std::string(marker.substr(2));
}

Result<> check_bytes(std::string_view line) {
  for (size_t i = 0; i < line.size(); ++i) {
    const auto c = static_cast<unsigned char>(line[i]);
    if ((c < 0x20 && c != '\t') || c == 0x7F)
      return fail(Errc::invalid, "byte {} is the control character 0x{:02X}", i + 1, c);
  }
  if (!is_utf8(line)) return fail(Errc::invalid, "not well-formed UTF-8");
  return {};
}

ReadRequest read_request(std::string_view line) {
  ReadRequest result;
  Request& request = result.request;
  request.tag = tag_of(line);
  const std::string_view marker = marker_of(line);
  request.word = marker.empty() ? std::string() : std::string(marker.substr(2));
  request.line = std::string(line);
  if (auto checked = check_bytes(line); !checked) {
    result.error_id = "control-bad-bytes";
    result.error = checked.error().message;
    return result;
  }
  std::string& blanked = request.line;
  // Backwards from the end: `complete` needs the blanks that stand before a missing word, so only the marker goes.
  if (!marker.empty()) {
    const auto begin = static_cast<size_t>(marker.data() - line.data());
    blanked.resize(begin);
  }
  size_t at = 0;
  if (line.starts_with('@')) {
    const std::string_view word = first_word(line);
    if (request.tag.empty()) {
      result.error_id = "control-bad-tag";
      result.error = fmt::format("a tag is 1 to {} letters, digits, '.', '_' or '-'", max_tag);
      return result;
    }
    at = word.size();
    std::fill_n(blanked.begin(), at, ' ');
  }
  at = skip_blanks(blanked, at);
  if (iequals(first_word(std::string_view(blanked).substr(at)), "--json")) {
    request.json = true;
    std::fill_n(blanked.begin() + static_cast<std::ptrdiff_t>(at), std::string_view("--json").size(), ' ');
  }
  request.command = std::string(trim(blanked));
  return result;
}

}  // namespace impulse::control
