// Text in HTML.
#pragma once

#include <string>
#include <string_view>

namespace impulse {

// & < > " ' as entities: safe in text and in quoted attributes.
void append_html(std::string& out, std::string_view text);

}  // namespace impulse
