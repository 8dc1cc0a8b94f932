// Commands as logs may show them.
#pragma once

#include <string>
#include <string_view>

namespace impulse::control {

// The command in which what follows the name of a secret option, or a
// word that looks like one mistyped ("tls_key_passwrd"), and what follows the
// first line of a PEM block, is "(redacted)"; of `authenticate` the mechanism
// alone is left.
std::string redacted_command(std::string_view command);
// The same as one escaped line.
std::string loggable_command(std::string_view command);

}  // namespace impulse::control
