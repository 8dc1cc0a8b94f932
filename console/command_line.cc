#include "console/command_line.h"

#include "base/text.h"

#include <algorithm>

namespace impulse::console {

namespace {

bool stands_for_itself(std::string_view text) {
  if (text.size() < 2) return false;
  const char first = text.front();
  const char last = text.back();
  return (first == '(' && last == ')') || (first == '[' && last == ']') || (first == '"' && last == '"') ||
         (first == '\'' && last == '\'');
}

std::string word(std::string_view text) {
  static constexpr std::string_view special = " \t\r\n#\"'\\{}[]()=,";
  if (stands_for_itself(text) || text == "=" || text == "(" || text == ")" || text == "[" || text == "]")
    return std::string(text);
  // [::1]:25 and the like stand bare; so does anything without special characters.
  const bool bracketed = text.starts_with('[') && text.find(']') != std::string_view::npos &&
                         text.find_first_of(" \t\r\n#\"'\\{}()=,") == std::string_view::npos;
  if (!text.empty() && (bracketed || text.find_first_of(special) == std::string_view::npos)) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    switch (c) {
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      case '"':
      case '\\':
        quoted += '\\';
        [[fallthrough]];
      default:
        quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace

std::string join_arguments(std::span<const char* const> arguments) {
  if (arguments.empty()) return {};
  if (arguments.size() == 1) return arguments.front();
  const bool raw = iequals(arguments.front(), "complete");  // its argument is an unfinished line
  std::string line;
  for (const char* argument : arguments) {
    if (!line.empty()) line += ' ';
    line += raw ? std::string(argument) : word(argument);
  }
  return line;
}

bool is_request(std::string_view line) {
  line = trim(line);
  return !line.empty() && !line.starts_with('#');
}

std::optional<std::string> payload_word(std::string_view line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) line.remove_suffix(1);
  const size_t blank = line.find_last_of(" \t");
  if (blank == std::string_view::npos) return std::nullopt;
  std::string_view marker = line.substr(blank + 1);
  if (!marker.starts_with("<<")) return std::nullopt;
  marker.remove_prefix(2);
  const auto fits = [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; };
  if (marker.empty() || marker.size() > 64 || is_digit(marker.front()) ||
      !std::all_of(marker.begin(), marker.end(), fits))
    return std::nullopt;
  return std::string(marker);
}

}  // namespace impulse::console
