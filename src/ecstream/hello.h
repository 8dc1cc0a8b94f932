// HELLO: what each side says of itself (doc/ecstream.md §4).
#pragma once

#include "ecstream/goaway.h"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace impulse::ecstream {

constexpr std::string_view magic = "ECSTREAM";
constexpr uint16_t version = 1;  // the only one there is

namespace feature {
constexpr uint32_t checksums = 1;
}

struct Hello {
  uint16_t version = ecstream::version;
  uint16_t lowest_version = ecstream::version;
  uint32_t features = 0;
  uint32_t max_frame = 16384;  // smallest_max_frame when it is not told
  uint64_t max_message = 0;    // 0: no limit
  uint32_t max_recipients = 0;
  uint32_t window = 0;
  std::string mechanisms;  // "SCRAM-SHA-256 PLAIN"
  std::string agent;
  std::string hostname;
  uint32_t idle_seconds = 0;
  bool auth_required = false;

  friend bool operator==(const Hello&, const Hello&) = default;
};

enum class From : uint8_t { client, server };

// The payload. Texts are cut at 1024 octets. A client tells max_frame, agent and hostname only.
std::string encode(const Hello& hello, From from);
// malformed: no magic, a layout that is none, a field twice or of a wrong
// length. Texts are what they are: made harmless where they are shown.
std::expected<Hello, GoAway> decode_hello(std::string_view payload);

}  // namespace impulse::ecstream
