// Upper and lower case of UTF-8 texts, by Unicode's rules.
#pragma once

#include <string>
#include <string_view>

namespace impulse::compose {

// `text` is well-formed UTF-8.
std::string upper_case(std::string_view text);
std::string lower_case(std::string_view text);

}  // namespace impulse::compose
