// Builds PROXY headers for tests, right and wrong ones.
#pragma once

#include "base/crc32c.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::net::test {

inline const std::string proxy_signature("\r\n\r\n\0\r\nQUIT\n", 12);

inline std::string bytes16(size_t value) {
  return {static_cast<char>(value >> 8 & 0xFF), static_cast<char>(value & 0xFF)};
}

inline std::string tlv(uint8_t type, std::string_view value) {
  return static_cast<char>(type) + bytes16(value.size()) + std::string(value);
}

// Version 2: `first` is version and command, `second` family and transport.
inline std::string proxy_v2(uint8_t first, uint8_t second, std::string_view body) {
  return proxy_signature + static_cast<char>(first) + static_cast<char>(second) + bytes16(body.size()) +
         std::string(body);
}

// 192.0.2.1:1025 to 198.51.100.7:25.
inline const std::string proxy_ipv4("\xC0\x00\x02\x01\xC6\x33\x64\x07\x04\x01\x00\x19", 12);
// [2001:db8::1]:1025 to [2001:db8::2]:25.
inline const std::string proxy_ipv6(
    "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01"
    "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x02"
    "\x04\x01\x00\x19",
    36);

// The description of TLS: bits of the client, result of the verification.
inline std::string proxy_tls(uint8_t client, uint32_t verify, std::string_view vectors = {}) {
  return tlv(0x20, static_cast<char>(client) + bytes16(verify >> 16) + bytes16(verify & 0xFFFF) + std::string(vectors));
}

// A header with the right checksum as its last vector.
inline std::string with_checksum(uint8_t first, uint8_t second, std::string_view body) {
  std::string header = proxy_v2(first, second, std::string(body) + tlv(0x03, std::string(4, '\0')));
  const uint32_t sum = crc32c(0, header);
  header.replace(header.size() - 4, 4, bytes16(sum >> 16) + bytes16(sum & 0xFFFF));
  return header;
}

}  // namespace impulse::net::test
