// Numbers in network byte order, written and read: what payloads are made of.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::ecstream {

template <std::unsigned_integral T>
void put(std::string& out, T value) {
  for (int shift = static_cast<int>(sizeof(T) - 1) * 8; shift >= 0; shift -= 8)
    out += static_cast<char>(static_cast<uint8_t>(value >> shift));
}

// The number at the start of `bytes`, which has room for it.
template <std::unsigned_integral T>
T get(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t at = 0; at < sizeof(T); ++at) value = value << 8 | static_cast<uint8_t>(bytes[at]);
  return static_cast<T>(value);
}

// Takes a payload apart from its start. What is not there makes it bad(), and
// every later answer zero or empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  T number() {
    const std::string_view bytes = take(sizeof(T));
    return bad_ ? T{} : get<T>(bytes);
  }
  std::string_view take(uint64_t size) {
    if (bad_ || size > rest_.size()) {
      bad_ = true;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, static_cast<size_t>(size));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  // One octet of length, and the text.
  std::string_view short_text() { return take(number<uint8_t>()); }
  std::string_view rest() const { return rest_; }
  bool empty() const { return rest_.empty(); }
  bool bad() const { return bad_; }

 private:
  std::string_view rest_;
  bool bad_ = false;
};

// A field: tag, two octets of length, value.
struct Field {
  uint8_t tag = 0;
  std::string_view value;
};

// The next one; nothing at the end, or when reader.bad().
inline std::optional<Field> next_field(Reader& reader) {
  if (reader.empty()) return std::nullopt;
  Field field;
  field.tag = reader.number<uint8_t>();
  field.value = reader.take(reader.number<uint16_t>());
  if (reader.bad()) return std::nullopt;
  return field;
}

inline void put_field(std::string& out, uint8_t tag, std::string_view value) {  // at most 65535 octets
  put(out, tag);
  put(out, static_cast<uint16_t>(value.size()));
  out += value;
}
template <std::unsigned_integral T>
void put_field(std::string& out, uint8_t tag, T value) {
  put(out, tag);
  put(out, static_cast<uint16_t>(sizeof(T)));
  put(out, value);
}
// One octet of length, and the text, cut to 255 octets.
inline void put_short_text(std::string& out, std::string_view text) {
  text = text.substr(0, 255);
  put(out, static_cast<uint8_t>(text.size()));
  out += text;
}

}  // namespace impulse::ecstream
