#include "base/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace impulse {

namespace {

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78U : crc >> 1;
    table[i] = crc;
  }
  return table;
}

uint32_t by_table(uint32_t crc, const char* data, size_t size) {
  static constexpr auto table = make_table();
  for (size_t i = 0; i < size; ++i) crc = table[(crc ^ static_cast<unsigned char>(data[i])) & 0xFF] ^ (crc >> 8);
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t by_sse42(uint32_t crc, const char* data, size_t size) {
  uint64_t wide = crc;
  while (size >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, data, 8);
    wide = __builtin_ia32_crc32di(wide, word);
    data += 8;
    size -= 8;
  }
  crc = static_cast<uint32_t>(wide);
  for (; size > 0; --size, ++data) crc = __builtin_ia32_crc32qi(crc, static_cast<unsigned char>(*data));
  return crc;
}
#endif

using Function = uint32_t (*)(uint32_t, const char*, size_t);

Function choose() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2")) return by_sse42;
#endif
  return by_table;
}

}  // namespace

uint32_t crc32c(uint32_t crc, std::string_view bytes) {
  static const Function function = choose();
  return ~function(~crc, bytes.data(), bytes.size());
}

}  // namespace impulse
