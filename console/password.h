// Where a console's password comes from: the environment, a file, or the
// terminal, without an echo.
#pragma once

#include "console/failure.h"

#include <string>

namespace impulse::console {

struct PasswordSource {
  std::string file;  // empty: none was named
};

// Environment variable, for scripts.
constexpr const char* password_variable = "EC_CONSOLE_PASSWORD";

// From the environment, else the file (its first line; misuse when others than
// its owner may read it). An empty one counts. `found` is false when there is neither.
Outcome<std::string> stored_password(const PasswordSource& source, bool& found);

// Asks on the terminal, even when standard input is none. denied: there is no
// terminal; interrupted: Ctrl-C. The terminal is as it was afterwards.
Outcome<std::string> ask_password(const std::string& prompt, int wake);

}  // namespace impulse::console
