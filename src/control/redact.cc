#include "control/redact.h"

#include "base/text.h"
#include "config/secrecy.h"
#include "control/authentication.h"

#include <algorithm>

namespace impulse::control {

namespace {

bool of_name(char c) { return is_alpha(c) || is_digit(c) || c == '_' || c == '-'; }

// The name that `text` begins with: quotes, '=' and brackets may follow it
// without a blank.
std::string_view name_at(std::string_view text) {
  return text.substr(0, static_cast<size_t>(std::ranges::find_if_not(text, of_name) - text.begin()));
}

}  // namespace

std::string redacted_command(std::string_view command) {
  const std::string_view unquoted = command.substr(std::min(command.find_first_not_of("\"' \t"), command.size()));
  if (const std::string_view first = name_at(unquoted); iequals(first, "authenticate"))
    return loggable_authenticate(unquoted.substr(first.size()));
  size_t end = std::min(command.find("-----BEGIN"), command.size());
  for (size_t i = 0; i < end;) {
    const std::string_view name = name_at(command.substr(i));
    i += std::max<size_t>(name.size(), 1);
    if (!name.empty() && config::names_secret(name)) end = std::min(end, i);
  }
  std::string text(command.substr(0, end));
  if (!trim(command.substr(end)).empty()) text += text.ends_with(' ') ? "(redacted)" : " (redacted)";
  return text;
}

std::string loggable_command(std::string_view command) { return escape_line(redacted_command(command)); }

}  // namespace impulse::control
