// Secrets in text that is shown to people: lines of files in diagnostics, and
// commands in logs.
#pragma once

#include <cstddef>
#include <string_view>

namespace impulse::config {

// Is it the name of a secret option, or a word that looks like one mistyped?
bool names_secret(std::string_view word);

// Where in the line [begin, end) of `text` something begins that nobody shall
// see: behind the name of a secret, or in a private key. npos: nowhere. Looks
// some kilobytes around `at` only, so that lines may be of any length.
size_t secret_in_line(std::string_view text, size_t begin, size_t end, size_t at);

}  // namespace impulse::config
