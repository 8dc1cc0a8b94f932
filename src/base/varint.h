// Numbers of one to ten bytes, seven bits a byte, the lowest first: what records
// that are kept in memory are made of. Not for what comes from outside: who
// reads them has written them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace impulse {

constexpr size_t max_varint = 10;  // bytes

// Writes it, and returns where it ends: at most max_varint bytes further.
inline char* store_varint(char* at, uint64_t number) {
  for (; number >= 0x80; number >>= 7) *at++ = static_cast<char>(0x80 | (number & 0x7F));
  *at++ = static_cast<char>(number);
  return at;
}

inline void put_varint(std::string& out, uint64_t number) {
  char bytes[max_varint];
  out.append(bytes, static_cast<size_t>(store_varint(bytes, number) - bytes));
}

// Reads one, and moves `at` behind it.
inline uint64_t load_varint(const char*& at) {
  auto byte = static_cast<uint8_t>(*at++);
  if (byte < 0x80) return byte;
  uint64_t number = byte & 0x7FU;
  for (unsigned shift = 7;; shift += 7) {
    byte = static_cast<uint8_t>(*at++);
    number |= uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return number;
  }
}

// For numbers around zero: 0, -1, 1, -2 become 0, 1, 2, 3.
constexpr uint64_t zigzag(int64_t number) {
  return static_cast<uint64_t>(number) << 1 ^ static_cast<uint64_t>(number >> 63);
}
constexpr int64_t unzigzag(uint64_t number) { return static_cast<int64_t>(number >> 1 ^ (~(number & 1) + 1)); }

// Fields of a record, one after the other. Past its end: zeroes, and nothing.
class PackedReader {
 public:
  explicit PackedReader(std::string_view record) : rest_(record) {}

  uint64_t number() {
    // The last byte of a record ends what it is the last of.
    if (rest_.empty()) return 0;
    const char* at = rest_.data();
    const uint64_t number = load_varint(at);
    rest_.remove_prefix(static_cast<size_t>(at - rest_.data()));
    return number;
  }
  int64_t signed_number() { return unzigzag(number()); }
  std::string_view bytes(uint64_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  uint8_t byte() {
    const std::string_view one = bytes(1);
    return one.empty() ? uint8_t{0} : static_cast<uint8_t>(one.front());
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace impulse
