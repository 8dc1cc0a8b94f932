// Selectors of commands about messages, as words: "--sender REGEX", "--meta KEY VALUE".
#pragma once

#include "base/text.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace impulse::control {

inline constexpr std::array<std::string_view, 5> selector_flags{"--sender", "--recipient", "--older", "--meta",
                                                                "--header"};

// How many words behind a flag are its value; `next` is the first of them. --meta and --header take one that has
// an '=' in it (KEY=VALUE, NAME=REGEX), or two (KEY VALUE, NAME LINE, as Momentum has them).
inline size_t words_of_flag(std::string_view flag, std::string_view next) {
  if (iequals(flag, "--dry-run") || iequals(flag, "--remove")) return 0;
  const bool pair = iequals(flag, "--meta") || iequals(flag, "--header");
  return pair && !next.contains('=') ? 2 : 1;
}

}  // namespace impulse::control
