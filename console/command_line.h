// From a shell's arguments, and from the lines of a script, to requests.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace impulse::console {

// One argument is the command as it is. Of several, each is a word: one that
// the configuration language could not read bare is put into quotes, unless
// it is quoted already or is an array ( … ) or a dictionary [ … ].
std::string join_arguments(std::span<const char* const> arguments);

// Blank lines and comments of a script are not sent.
bool is_request(std::string_view line);

// The WORD of a request that announces a payload ("config set X <<END").
std::optional<std::string> payload_word(std::string_view line);

}  // namespace impulse::console
