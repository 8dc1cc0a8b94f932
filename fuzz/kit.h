// What fuzz targets share: how they say that something is wrong, and how an
// input is cut.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace impulse::fuzz {

inline void check(bool good, std::string_view what) {
  if (good) return;
  std::fprintf(stderr, "wrong: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

// Pieces of 1 to `longest` bytes, the same ones for the same seed; seed 0: all at once.
class Cuts {
 public:
  explicit Cuts(uint32_t seed, uint32_t longest = 24) : seed_(seed), longest_(longest) {}
  // The size of the next piece of the `left` bytes.
  size_t next(size_t left) {
    if (seed_ == 0) return left;
    seed_ = seed_ * 1664525 + 1013904223;
    return std::min<size_t>(left, 1 + (seed_ >> 16) % longest_);
  }

 private:
  uint32_t seed_;
  uint32_t longest_;
};

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace impulse::fuzz
