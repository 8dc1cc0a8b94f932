// How a value is written into what surrounds it.
#pragma once

#include <string>
#include <string_view>

namespace impulse::compose {

// & < > " ' / as entities: safe in text and in quoted attributes, as Jinja's and
// Mustache's users know it.
void append_html(std::string& out, std::string_view text);
// All but RFC 3986's unreserved characters as %XX.
void append_url(std::string& out, std::string_view text);
// NUL, CR, LF, DEL and the other control characters of ASCII, TAB apart: what
// must not get into a header field or the envelope.
bool has_control(std::string_view text);

}  // namespace impulse::compose
