// Text put together from parts that are at hand, for what is written for every
// message: one allocation, and no format to be read each time.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace impulse {

// A number's digits, with zeros in front up to `width` (at most 20).
class Digits {
 public:
  explicit Digits(uint64_t number, size_t width = 1, int base = 10) {
    std::array<char, 20> plain;
    const auto end = std::to_chars(plain.data(), plain.data() + plain.size(), number, base).ptr;
    const auto count = static_cast<size_t>(end - plain.data());
    const size_t zeros = std::min(width, text_.size()) - std::min({count, width, text_.size()});
    std::fill_n(text_.data(), zeros, '0');
    std::copy(plain.data(), end, text_.data() + zeros);
    length_ = zeros + count;
  }
  operator std::string_view() const { return {text_.data(), length_}; }  // a part of concat()

 private:
  std::array<char, 20> text_;
  size_t length_;
};

// Appends the parts, in order.
template <typename... Parts>
void append(std::string& out, const Parts&... parts) {
  const std::array<std::string_view, sizeof...(parts)> views{std::string_view(parts)...};
  size_t size = out.size();
  for (const std::string_view view : views) size += view.size();
  if (out.capacity() < size) out.reserve(std::max(size, 2 * out.capacity()));
  for (const std::string_view view : views) out += view;
}

template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::string out;
  append(out, parts...);
  return out;
}

}  // namespace impulse
