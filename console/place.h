// Places in what was typed: "console:1:40: text" of a notice, shown as a caret
// under the line, or as the line of a script.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace impulse::console {

struct Place {
  size_t line = 1;        // from 1
  size_t column = 1;      // bytes, from 1
  std::string_view text;  // behind the place
};

// nullopt: the text does not begin with a place in the request.
std::optional<Place> read_place(std::string_view text);

// The line and, under it, a caret at the byte `column`, counted from 1: two
// lines, indented. Empty: there is no such column.
std::string caret(std::string_view line, size_t column);

}  // namespace impulse::console
