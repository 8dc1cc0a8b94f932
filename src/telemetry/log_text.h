// Text as the logs have it: fields between '@', members of JSON objects, times.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace impulse::telemetry {

// What an outsider can make long (a local part, a reply) is cut to so many
// bytes, which bounds a line.
constexpr size_t field_limit = 1024;

int64_t seconds_of(WallTime time);
std::string time_text(WallTime time);  // "2009-03-10T08:02:05.042Z"

// Local part and domain are two fields. The last '@' divides them: a domain has
// none, and a quoted local part ends before it.
std::pair<std::string_view, std::string_view> divide_address(std::string_view address);

// An '@' and the text, in which an '@' is written \x40: every '@' of a line is a separator.
void at_field(std::string& line, std::string_view text);
void at_field(std::string& line, uint64_t number);

// One object, member by member, in one line of well-formed UTF-8. Of text that is
// none, bytes above 0x7F are \u00HH.
class JsonLine {
 public:
  JsonLine() { text_ += '{'; }
  void text(std::string_view name, std::string_view value);
  void whole(std::string_view name, std::string_view value);  // text() that is not cut: bounded by who calls
  void number(std::string_view name, uint64_t value);
  void member(std::string_view name, std::string_view value);  // text(), and the name is an outsider's
  void raw(std::string_view name, std::string_view json);      // is JSON already
  void begin(std::string_view name, char bracket);             // '{' or '['
  void begin_member(std::string_view name, char bracket);      // begin(), and the name is an outsider's
  void element(std::string_view value);                        // of an array
  void end(char bracket);
  std::string finish() &&;  // the line, with its '\n'

 private:
  void name(std::string_view name);
  void comma();
  void quoted(std::string_view value, size_t most = field_limit);
  std::string text_;
};

}  // namespace impulse::telemetry
