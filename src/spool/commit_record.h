// The commit record: what makes a batch count, together with its receipt; or a
// receipt alone.
#pragma once

#include "spool/journal.h"
#include "spool/spool.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool {

struct CommitRecord {
  uint64_t batch = 0;      // 0: a receipt alone
  uint32_t members = 0;    // messages of the batch: all of them, or none counts
  bool settled = false;    // these were all written, and synced, before
  uint64_t sequence = 0;   // of the receipt, 0: there is none; of a key's the highest counts
  uint64_t forgotten = 0;  // receipts up to that sequence are not remembered any more
  Receipt receipt;         // decoded without its value, when that is in the body
  bool value_in_body = false;
  // How recipients of its messages stand from the beginning; those that are not
  // named are pending, and were never tried. They count as the batch does.
  std::vector<JournalEntry> states;

  // Longer values are the record's body, and not kept in memory.
  static constexpr size_t short_value = 64;

  // Appends the metadata.
  void encode(std::string& out) const;
  // What is known only when it is written: all but the receipt's names and value, and the states.
  void update(char* metadata) const;
  static std::optional<CommitRecord> decode(std::string_view metadata);
};

}  // namespace impulse::spool
