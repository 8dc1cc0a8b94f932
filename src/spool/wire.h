// Little-endian numbers in byte strings: what all parts of the format are made of.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace impulse::spool {

template <std::integral T>
constexpr T little_endian(T value) {
  if constexpr (std::endian::native == std::endian::big) return std::byteswap(value);
  return value;
}

template <std::integral T>
void store(char* at, T value) {
  value = little_endian(value);
  std::memcpy(at, &value, sizeof value);
}

template <std::integral T>
T load(const char* at) {
  T value{};
  std::memcpy(&value, at, sizeof value);
  return little_endian(value);
}

template <std::integral T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  store(bytes, value);
  out.append(bytes, sizeof bytes);
}

// Reads what put() wrote. After a read past the end everything it returns is
// zero or empty, and failed() stays true: checked once, at the end.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  template <std::integral T>
  T get() {
    const std::string_view bytes = take(sizeof(T));
    return bytes.empty() ? T{} : load<T>(bytes.data());
  }
  // Exactly `count` bytes, or none.
  std::string_view take(size_t count) {
    if (failed_ || count > rest_.size()) {
      failed_ = true;
      return {};
    }
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  size_t left() const { return failed_ ? 0 : rest_.size(); }
  bool failed() const { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace impulse::spool
