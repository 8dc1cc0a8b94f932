// Reading segments: what a whole one contains (by its footer or by scanning
// it), and single records, checked.
#pragma once

#include "base/result.h"
#include "spool/file_ops.h"
#include "spool/journal.h"
#include "spool/record.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool {

struct Damage {
  uint64_t offset = 0;
  uint64_t length = 0;
  bool message = false;  // a record of a message, by its header: nothing else is lost with it
};

// A record that is not a message, read and checked.
struct OtherRecord {
  RecordType type{};
  uint32_t offset = 0;
  std::string payload;
  uint32_t meta_length = 0;  // of the record
  uint32_t body_length = 0;  // of a commit: of a receipt's long value
  bool within = false;       // the journal entries of the message at `offset`, which is a report
  // Of a copy; its payload ends where the message's metadata begins.
  uint32_t recipients = 0;
  bool live = false;
};

struct SegmentContent {
  uint32_t nonce = 0;
  uint64_t file_size = 0;
  uint64_t end = segment_header_size;  // of its last good record, footer not counted
  bool by_footer = false;
  std::vector<Footer::Message> messages;  // ascending; without copies, which are others
  std::vector<Footer::Member> members;    // of batches: whether they count is said elsewhere
  std::vector<OtherRecord> others;        // in the order in which they count, without the footer
  std::vector<Damage> damage;  // in front of `end`, or whole records; with a footer: of batches' commits, and proofs
  uint64_t torn = 0;           // bytes behind `end` that are no record (zeros are not counted)
  bool unreadable = false;     // scanned, and the disk did not give all of it: some of it may be good
};

// Errc::invalid: the file is no segment that can be made sense of;
// Errc::unavailable: a newer version wrote it; Errc::io: the disk gives too
// little of it. Single sectors the disk cannot read look like damage. When `stop`
// becomes true, soon Errc::busy.
Result<SegmentContent> read_segment(const File& file, uint32_t number, const std::atomic<bool>* stop = nullptr);
// The same, but never by the footer.
Result<SegmentContent> scan_segment(const File& file, uint32_t number);

// Errc::unavailable: its header says that a newer version wrote it. All else is well, also what cannot be read.
Result<> check_format(const File& file, uint32_t number);

// Header and metadata of the record at `offset`, which must be of that type
// and nonce. Errc::invalid for damage.
struct RecordHead {
  RecordHeader header;
  std::string meta;
};
Result<RecordHead> read_head(const File& file, uint32_t number, uint32_t nonce, RecordType type, uint32_t offset,
                             uint32_t meta_length);
// The same of bytes that were read, `result` telling how (RangeReader::read()).
struct HeadView {
  RecordHeader header;
  std::string_view meta;  // into them
};
Result<HeadView> check_head(int result, std::string_view bytes, uint32_t number, uint32_t nonce, RecordType type,
                            uint32_t offset, uint32_t meta_length);
// Its body, checked.
Result<std::string> read_body(const File& file, const RecordHeader& header);

}  // namespace impulse::spool
