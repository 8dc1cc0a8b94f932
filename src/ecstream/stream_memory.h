// StreamMemory: what is remembered of a stream when its connection is gone:
// the value of its receipt in the spool (doc/ecstream.md §6).
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::ecstream {

// A refusal that the client may not have seen.
struct Refused {
  uint64_t sequence = 0;
  uint16_t code = 0;       // 400 to 599
  std::string enhanced{};  // "5.7.1"
  uint32_t recipient = 0;  // index; message_itself
  static constexpr uint32_t message_itself = UINT32_MAX;
  friend bool operator==(const Refused&, const Refused&) = default;
};

struct StreamMemory {
  bool known = false;            // there was a receipt
  uint64_t done = 0;             // every sequence up to it is stored, or was refused or skipped
  std::vector<Refused> refused;  // ascending, all at most `done`

  // The receipt's value: some 24 octets and 12 to 20 a refusal.
  std::string encode() const;
  // known = true. An error: it is damaged, or of a later version.
  static Result<StreamMemory> decode(std::string_view value);
  friend bool operator==(const StreamMemory&, const StreamMemory&) = default;
};

// Receipts of streams are kept for so long behind the last batch, at least.
constexpr int stream_memory_days = 7;

}  // namespace impulse::ecstream
