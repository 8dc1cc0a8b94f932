// SegmentWriter: makes segments and appends to the newest one. The committer's
// thread only (and recovery's, before there is one).
#pragma once

#include "base/result.h"
#include "spool/journal.h"
#include "spool/record.h"
#include "spool/segment_files.h"

#include <sys/uio.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool {

// The end of a segment: records of what its reports tell, then footer and
// trailer. A report says it itself, which a scan goes by; those records are for
// readers by the footer. They lie behind all messages, and are written when
// these are durable, so that none can survive its report.
class Seal {
 public:
  // For a segment whose last record ends at `end`.
  Seal(uint32_t number, uint32_t nonce, uint64_t end) : number_(number), nonce_(nonce), end_(end) {}

  // In the order in which they count: a record that is there, and what a report tells.
  void add(const Footer::Other& other) { others_.push_back(other); }
  void add_told(std::string_view entries);
  // All its bytes, to be written at `end`.
  std::string finish(std::vector<Footer::Message> live, std::vector<Footer::Member> members = {});

 private:
  uint32_t number_;
  uint32_t nonce_;
  uint64_t end_;
  std::string bytes_;
  std::vector<Footer::Other> others_;
};

// A batch of records that is written, and made durable, as one. Borrows what
// is added to it, until it is cleared.
class WriteGroup {
 public:
  bool empty() const { return parts_.empty(); }
  uint64_t size() const { return size_; }

  friend class SegmentWriter;

 private:
  void add(std::string_view bytes);
  void pad();

  std::vector<iovec> parts_;
  uint64_t size_ = 0;
  std::deque<std::string> own_;        // records made here
  std::vector<Footer::Other> others_;  // at offset 0: so many bytes of told_
  std::string told_;
};

class SegmentWriter {
 public:
  // `zero_ahead`: see extend().
  SegmentWriter(SegmentFiles& files, uint32_t last_number, uint64_t zero_ahead)
      : files_(files), last_number_(last_number), zero_ahead_(zero_ahead) {}

  bool is_open() const { return file_ != nullptr; }
  uint32_t number() const { return last_number_; }
  uint32_t nonce() const { return nonce_; }
  uint64_t end() const { return end_; }
  bool empty() const { return end_ == segment_header_size; }
  uint32_t format() const { return format_; }

  // Makes a new segment, numbered `seconds` since 1970 or one more than the
  // last; its name is durable on return, its header with the first batch (at
  // once with `durable`). On failure nothing is open.
  Result<> begin(int64_t seconds, bool durable, uint32_t format);

  // Where the next record of the batch would lie. The caller keeps it below segment_limit.
  uint64_t next_offset(const WriteGroup& batch) const { return end_ + batch.size(); }
  // Adds a message, or a commit record; `head` has record_header_size bytes in front of the
  // metadata, which are filled in. Returns its offset.
  uint32_t add_record(WriteGroup& batch, RecordType type, std::string& head, uint32_t meta_crc,
                      const std::vector<std::string_view>& body, uint32_t body_length, uint32_t body_crc);
  // Not `listed`: the footer does not name it, only a scan finds it.
  void add_other(WriteGroup& batch, RecordType type, std::string_view payload, bool listed = true);
  // What a message of the batch tells, as journal entries: kept until seal().
  static void add_told(WriteGroup& batch, std::string_view entries);
  uint64_t told_size() const { return told_.size(); }  // what is kept, bytes
  // Writes the batch and, with `sync`, makes it durable. After an error the
  // segment must be abandoned. Empties the batch on success.
  Result<> write(WriteGroup& batch, bool sync);

  // Closes the segment with a footer. It is complete without one too (the next
  // start scans it then), so that a failure does no harm. `members`: of batches
  // not committed yet. `wanted`: whether the commit record at that offset says
  // something that the footer does not.
  Result<> seal(std::vector<Footer::Message> live, std::vector<Footer::Member> members,
                const std::function<bool(uint32_t offset)>& wanted);
  // Closes the segment after a failed write: what lies behind its last good
  // byte is cut off, durably; else the range that must be voided elsewhere.
  std::optional<VoidRange> abandon();

 private:
  uint64_t extend(WriteGroup& batch);

  SegmentFiles& files_;
  uint32_t last_number_;
  uint64_t zero_ahead_;
  std::shared_ptr<File> file_;
  uint32_t nonce_ = 0;
  uint32_t format_ = plain_format;
  uint64_t end_ = 0;                   // of the good records
  uint64_t file_end_ = 0;              // of the file: zeros from end_ on
  std::vector<Footer::Other> others_;  // as in WriteGroup
  std::string told_;
};

}  // namespace impulse::spool
