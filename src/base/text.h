// ASCII text helpers. Locale never matters here.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace impulse {

constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
constexpr char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c; }

std::string lower(std::string_view text);
std::string upper(std::string_view text);
bool iequals(std::string_view a, std::string_view b);  // ASCII case folded
bool istarts_with(std::string_view text, std::string_view prefix);
int icompare(std::string_view a, std::string_view b);  // <0, 0, >0
std::string_view trim(std::string_view text);          // white space, both ends

// Hash and equality for case-insensitive keys of unordered containers,
// transparent (std::string_view look-ups make no string).
struct IHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const;
};
struct IEqual {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return iequals(a, b); }
};
struct ILess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return icompare(a, b) < 0; }
};

// The parts between separators; "a,,b" has three. An empty text has one part.
std::vector<std::string_view> split(std::string_view text, char separator);
// The words between runs of white space; none for an empty text.
std::vector<std::string_view> words(std::string_view text);

// Digits only, no sign, no overflow.
Result<uint64_t> parse_unsigned(std::string_view text, uint64_t max = UINT64_MAX);

// One escaped line, whatever came from outside: control characters, DEL,
// backslashes and bytes that are not well-formed UTF-8 are escaped as in C: \n,
// \r, \t, \xHH, or a doubled backslash. Longer results than `limit` bytes are cut and end in "…".
std::string escape_line(std::string_view text, size_t limit = 1024);

// Well-formed UTF-8 by RFC 3629 (no surrogates, no overlong forms).
bool is_utf8(std::string_view text);
// No byte above 0x7F.
bool is_ascii(std::string_view text);

// Edit distance (insert, delete, replace, swap of neighbours), case folded.
unsigned edit_distance(std::string_view a, std::string_view b);
// The candidate nearest to `word`, empty when none is near enough to be meant.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace impulse
