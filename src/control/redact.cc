#include "control/redact.h"

#include "base/text.h"
#include "config/catalogue.h"

#include <algorithm>

namespace impulse::control {

namespace {

bool names_a_secret(std::string_view word) {
  std::string name = lower(word);
  std::erase_if(name, [](char c) { return c == '"' || c == '\'' || c == '='; });
  if (const config::OptionDef* option = config::find_option(name)) return option->type == config::Type::secret;
  return name.find("passw") != std::string::npos || name.find("secret") != std::string::npos;
}

}  // namespace

std::string redacted_command(std::string_view command) {
  size_t end = std::min(command.find("-----BEGIN"), command.size());
  for (const std::string_view word : words(command)) {
    // "tls_key_password=x" is one word to whoever typed it.
    const std::string_view name = word.substr(0, word.find('='));
    if (!names_a_secret(name)) continue;
    end = std::min(end, static_cast<size_t>(name.data() - command.data()) + name.size());
    break;
  }
  std::string text(command.substr(0, end));
  if (!trim(command.substr(end)).empty()) text += text.ends_with(' ') ? "(redacted)" : " (redacted)";
  return text;
}

std::string loggable_command(std::string_view command) { return escape_line(redacted_command(command)); }

}  // namespace impulse::control
