// The small words of HTTP: what a token is, a field line, a host, a date, the
// line in front of a chunk. Stricter than RFC 9110 and RFC 9112 where they let a
// recipient be lenient.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::http {

// Why a request is refused by the engine itself.
struct Fault {
  int status = 400;
  std::string_view cause;  // a literal: the JSON error's code, and Replied::cause
  std::string message{};
};

constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }
bool is_token(std::string_view text);  // one character at least

// Optional white space, which is blanks and tabs only.
std::string_view trim_ows(std::string_view text);

// "a, b": the elements, white space taken off; an error (none) where one is no token, or there is none.
std::optional<std::vector<std::string_view>> token_list(std::string_view text);

// "name: value" without its line end; control characters were looked for
// already. None: it is no field line (white space before the colon, no name, no colon).
struct FieldLine {
  std::string_view name;
  std::string_view value;
};
std::optional<FieldLine> field_line(std::string_view line);

// uri-host [ ":" port ]: a name, an IPv4 address, or an IPv6 address in brackets.
bool is_host(std::string_view text);

// 1*DIGIT below 2^64.
std::optional<uint64_t> decimal(std::string_view text);

// The line before a chunk, without its line end: 1 to 16 hexadecimal digits and
// extensions without white space around ';' and '='. None: it is not one.
std::optional<uint64_t> chunk_size(std::string_view line);

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(WallTime time);

}  // namespace impulse::http
