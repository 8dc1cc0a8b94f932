// What reports of all kinds are read with (RFC 6522): fields, content types, the parts of a
// message. All of it takes what an outsider sent, in one pass, without recursion; views are
// into that text.
#pragma once

#include "base/text.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace impulse::message::report {

// Texts of a report end after so many bytes: one more than a field of a log, so that it is
// the log that cuts, between two characters.
inline constexpr size_t most_text = 1025;

// The next line, without its end, which is taken, too.
std::string_view take_line(std::string_view& text);

struct Field {
  std::string_view name;
  std::string value;  // unfolded
};

// The fields up to an empty line, which is taken, too. False: there was none, and no line.
template <typename Each>
bool take_fields(std::string_view& text, Each each) {
  std::optional<Field> field;
  bool any = false;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) break;
    any = true;
    if (line.front() == ' ' || line.front() == '\t') {
      // Longer ones are none that are asked for.
      if (field && field->value.size() < 4 * most_text) field->value += line;
      continue;
    }
    if (field) each(*std::exchange(field, std::nullopt));
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos)
      field = Field{trim(line.substr(0, colon)), std::string(line.substr(colon + 1))};
  }
  if (field) each(*field);
  return any;
}

// Without comments (RFC 5322 §3.2.2), which do not count within quotes.
std::string without_comments(std::string_view value);

struct ContentType {
  std::string type;  // lower case: "multipart/report"
  std::string boundary;
  std::string report_type;  // lower case
};

// Of the value of a Content-Type field.
ContentType content_type(std::string_view value);

struct Header {
  ContentType type;
  std::string encoding;  // Content-Transfer-Encoding, lower case; empty: none
};

// Of the header section that the text begins with; the text goes on behind it.
Header take_header(std::string_view& text);

// The parts of a multipart message, in their order; not what stands in front of the first.
class Parts {
 public:
  // `body` stands behind the header section. Without a boundary, or with one that cannot be
  // (RFC 2046 §5.1.1), there are no parts.
  Parts(std::string_view body, std::string boundary);
  // With its header section; without the line end that belongs to the delimiter behind it.
  // Of one that is cut off, what is there. Nothing: there is no more.
  std::optional<std::string_view> next();

 private:
  std::string_view take();

  std::string_view rest_;
  std::string boundary_;
  bool more_ = false;  // another part follows
};

// Without white space at either end, and cut.
std::string kept(std::string_view text);
// The same in one line: white space that was folded is one space again.
std::string one_line(std::string_view value);
// What follows the type, "rfc822;" or "dns;" (RFC 3464 §2.1.2); without one the type is empty.
std::string_view typed(std::string_view value, std::string_view& type);

}  // namespace impulse::message::report
