// Where a console's password comes from: the environment, a file, or the
// terminal, without an echo.
#pragma once

#include "console/failure.h"

#include <string>

namespace impulse::console {

// Environment variable, for scripts.
constexpr const char* password_variable = "EC_CONSOLE_PASSWORD";

struct PasswordSource {
  std::string file{};  // empty: none was named
  const char* variable = password_variable;
};

// From the environment, else the file (its first line; misuse when others than
// its owner may read it). An empty one counts. `found` is false when there is neither.
Outcome<std::string> stored_password(const PasswordSource& source, bool& found);

// Asks on the terminal, even when standard input is none. denied: there is no
// terminal; interrupted: Ctrl-C. The terminal is as it was afterwards.
Outcome<std::string> ask_password(const std::string& prompt, int wake, const char* variable = password_variable);

}  // namespace impulse::console
