// Why an ECStream connection ends: the codes of GOAWAY (doc/ecstream.md §9).
#pragma once

#include <cstdint>
#include <string_view>

namespace impulse::ecstream {

enum class GoAway : uint16_t {
  done = 0,
  shutdown = 1,
  reconfigured = 2,
  idle = 3,
  limits = 4,
  denied = 5,
  lifetime = 6,
  tls_required = 7,
  auth_required = 8,
  auth_failed = 9,
  malformed = 16,
  too_large = 17,
  unexpected = 18,
  sequence = 19,
  window = 20,
  version = 21,
  checksum = 22,
  stream = 23,
  taken_over = 24,
  storage = 25,
  killed = 26,
  internal = 27,
};

// What a client does behind it.
enum class Again : uint8_t { no, at_once, in_a_while };

std::string_view name(GoAway code);  // "taken_over"; "unknown" of a code that is none of these
std::string_view text(GoAway code);  // what a server says that has nothing better: "4.4.2 Idle for too long"
Again again(GoAway code);

}  // namespace impulse::ecstream
