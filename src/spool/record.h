// The frame of the format: segment header, record header, trailer. The bytes
// are described in doc/spool-format.md; this is the only code that knows them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::spool {

// Of a segment: the plain one, which all versions read, the one that may hold
// batches and receipts, and the one that may hold copies, too. Only what needs
// it is written in the latter.
inline constexpr uint32_t plain_format = 1;
inline constexpr uint32_t batch_format = 2;
inline constexpr uint32_t copy_format = 3;
inline constexpr uint32_t states_format = 4;  // commits that say how recipients stand
inline constexpr uint32_t newest_format = states_format;
inline constexpr std::string_view segment_magic = "IMPULSEG";
inline constexpr size_t segment_header_size = 64;
inline constexpr size_t record_header_size = 40;
inline constexpr size_t trailer_size = 32;
inline constexpr size_t record_alignment = 8;
// Offsets are 32 bits. No record but the footer starts or ends beyond this.
inline constexpr uint64_t segment_limit = 0xF0000000;

enum class RecordType : uint8_t {
  message = 1,     // metadata (message_codec.h) and body
  journal = 2,     // outcomes and reschedules (journal.h)
  checkpoint = 3,  // all that is live in one older segment
  void_range = 4,  // an older segment is void from an offset on
  footer = 5,      // index of the segment; only as its last record
  commit = 6,      // of a batch, and a receipt (commit_record.h)
  settled = 7,     // batches whose commits were durable before this was written
  copy = 8,        // a message whose segment shall go (copy_record.h)
};

constexpr uint64_t aligned(uint64_t size) { return (size + record_alignment - 1) & ~uint64_t{record_alignment - 1}; }

// First bytes of a file. The nonce is random, and in each record: what a
// sender puts into a body can never be taken for a record.
struct SegmentHeader {
  uint32_t version = plain_format;
  uint32_t segment = 0;
  uint32_t nonce = 0;
  int64_t created = 0;  // microseconds since 1970

  std::string encode() const;
  // Nothing when it is damaged.
  static std::optional<SegmentHeader> decode(std::string_view bytes);
};

struct RecordHeader {
  RecordType type = RecordType::message;
  uint32_t segment = 0;
  uint32_t nonce = 0;
  uint32_t offset = 0;  // of this header in its segment
  uint32_t meta_length = 0;
  uint32_t body_length = 0;
  uint32_t meta_crc = 0;
  uint32_t body_crc = 0;
  // Part of the seal: it says what messages in front of it say themselves, for
  // those who read by the footer. To a scan the segment ends here.
  bool repeats = false;

  uint64_t content_size() const { return record_header_size + uint64_t{meta_length} + body_length; }
  uint64_t size() const { return aligned(content_size()); }
  void encode(char* out) const;  // record_header_size bytes
  // Nothing when it is damaged; whether it belongs here is the caller's to see.
  static std::optional<RecordHeader> decode(std::string_view bytes);
};

// Does this look like the start of a record? Cheap; for the search after damage.
bool may_be_record(std::string_view bytes);

// Last bytes of a sealed file.
struct Trailer {
  uint32_t segment = 0;
  uint32_t nonce = 0;
  uint32_t footer = 0;  // offset of the footer record

  std::string encode() const;
  static std::optional<Trailer> decode(std::string_view bytes);
};

std::string segment_name(uint32_t number);                               // "6734AF21.seg"
std::optional<uint32_t> parse_segment_name(std::string_view file_name);  // nothing for other names

}  // namespace impulse::spool
