// Header fields: made from a name and a text, and found in a header section.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::compose {

// Octets that a line may have (RFC 5322 §2.1.1), its end apart.
constexpr size_t max_line = 998;

// RFC 5322 §3.6.8, and no longer than 76 octets.
bool is_field_name(std::string_view name);

// A UTF-8 text as encoded words (RFC 2047), all of it; one space between two.
std::string encoded_words(std::string_view text);
// An unstructured value: as it is when it is ASCII, or encoded.
std::string encoded_text(std::string_view text);

// "Name: value" CRLF, folded at white space to lines of 78 octets where it can
// be. invalid: a name that is none, a control character, or a word longer than
// a line may be.
Result<std::string> make_field(std::string_view name, std::string_view value);
// A field that has mailboxes (From, To, Cc …): their names are encoded one by one.
bool is_address_field(std::string_view name);
// What a text of UTF-8 becomes in that field: encoded_text(), or mailboxes.
// invalid: it goes beyond ASCII, and is no list of mailboxes where one belongs.
Result<std::string> encoded_value(std::string_view name, std::string_view text);

// A field as it stands in a header section with CRLF line ends.
struct RawField {
  std::string_view whole;  // with the line end
  std::string_view name;
  std::string_view value;  // folded as it is, without the last line end
};
// All of them; invalid: a line that neither begins a field nor continues one.
Result<std::vector<RawField>> split_fields(std::string_view section);
// A value without the line ends of its folding.
std::string unfolded(std::string_view value);
// Where the header section ends, the empty line included; npos: there is no
// empty line. `text` has CRLF line ends.
size_t header_end(std::string_view text);

}  // namespace impulse::compose
