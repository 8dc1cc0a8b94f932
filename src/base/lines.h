// Lines of a text, whether they end in LF or CR LF.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace impulse {

// The line that begins at `at` (below text.size()), without its end; moves `at` behind it.
inline std::string_view next_line(std::string_view text, size_t& at) {
  const size_t end = std::min(text.find('\n', at), text.size());
  std::string_view line = text.substr(at, end - at);
  at = std::min(end + 1, text.size());
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace impulse
