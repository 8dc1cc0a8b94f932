// Receipts: what owners have to remember, in memory; long values stay on the
// disk. Of each owner and key the one with the highest sequence counts, in
// whatever order they are found. Any thread; one lock, held briefly.
#pragma once

#include "base/clock.h"
#include "spool/commit_record.h"
#include "spool/index.h"
#include "spool/segment_files.h"

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace impulse::spool {

class Receipts {
 public:
  // Where the record lies.
  struct Place {
    uint32_t segment = 0;
    uint32_t nonce = 0;
    uint32_t offset = 0;
    uint32_t meta_length = 0;
    uint32_t body_length = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct Found {
    Receipt receipt;  // without a value that is on the disk
    uint64_t sequence = 0;
    bool value_in_body = false;
    Place place;
  };

  // `index` learns how much of each segment is needed for receipts; borrowed.
  // Beyond `limit` the oldest are forgotten.
  Receipts(Index& index, size_t limit) : index_(index), limit_(limit) {}

  // For the record of a new one: sequence, forgotten, and expires moved up to
  // that of the one it replaces. So, when a segment with a replaced one outlives
  // the newest one of its key, it has expired, too: nothing comes back.
  void number(CommitRecord& record);
  // Nothing of what was numbered since the last apply() has become durable.
  void refused();
  // A record has become durable, or was found. Ignored when a newer one is known.
  void apply(const CommitRecord& record, const Place& place);
  // All was found; `now` for what has expired, and for sequences to go on above all that ever were.
  void recovered(WallTime now);

  std::optional<Found> find(std::string_view owner, std::string_view key, WallTime now) const;
  void expire(WallTime now);
  // Those whose record lies in that segment, oldest first.
  std::vector<Found> in(uint32_t segment) const;
  // Where these records lie in a segment that was written lately.
  std::set<uint32_t> offsets_in(uint32_t segment) const;
  uint64_t forgotten() const;
  size_t size() const;

 private:
  struct Entry {
    WallTime expires;
    uint64_t sequence = 0;
    bool value_in_body = false;
    std::string value;
    Place place;
  };
  using Entries = std::unordered_map<std::string, Entry>;

  static uint64_t bytes_of(const Place& place);
  void locate(const Place& place);
  void leave(const Place& place);
  void forget(Entries::value_type& entry);
  void keep_limit();

  Index& index_;
  const size_t limit_;
  mutable std::mutex mutex_;
  Entries entries_;                                     // by name()
  std::map<uint64_t, Entries::value_type*> by_age_;     // sequence
  std::set<std::pair<WallTime, uint64_t>> by_expiry_;   // and sequence
  std::unordered_map<uint32_t, size_t> in_segment_;     // how many
  std::unordered_map<std::string, WallTime> numbered_;  // of those being written: when they expire
  uint64_t last_sequence_ = 0;
  uint64_t forgotten_ = 0;
};

// A long value, from the disk: Errc::invalid when it is damaged.
Result<std::string> read_value(const SegmentFiles& files, const Receipts::Place& place);

}  // namespace impulse::spool
