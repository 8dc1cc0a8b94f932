// How the input of an engine is cut in tests: what it does must not depend on it.
#pragma once

#include <cstddef>
#include <functional>
#include <random>
#include <string>
#include <string_view>

namespace cutting {

// How many of the waiting bytes are fed next; more than there are is fine.
using Cutting = std::function<size_t(size_t waiting)>;
inline Cutting whole() {
  return [](size_t waiting) { return waiting; };
}
inline Cutting bytes() {
  return [](size_t) { return size_t{1}; };
}
inline Cutting pieces_of(size_t size) {
  return [size](size_t) { return size; };
}
// Up to `most` bytes each.
inline Cutting random_pieces(unsigned seed, size_t most) {
  return [random = std::mt19937(seed), most](size_t) mutable { return size_t{1 + random() % most}; };
}

inline std::string repeat(std::string_view text, size_t count) {
  std::string out;
  while (count-- > 0) out += text;
  return out;
}

}  // namespace cutting
