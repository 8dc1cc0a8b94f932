// The journal: what became of messages after they were accepted. Payloads of
// the journal, checkpoint, void, settled and footer records.
#pragma once

#include "spool/record.h"
#include "spool/spool.h"
#include "spool/wire.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool {

inline constexpr size_t max_error_text = 512;
inline constexpr size_t max_binding_name = 64;

// `text` cut to max_error_text bytes, not inside a UTF-8 sequence.
std::string_view cut_error(std::string_view text);

// One entry of a journal record: recipient number `recipient` of `target` is
// now in `state`; or, with recipient `whole_message`, the message is finished
// whatever its recipients' states are (it was damaged).
struct JournalEntry {
  static constexpr uint32_t whole_message = UINT32_MAX;

  MessageId target;
  uint32_t recipient = 0;
  RecipientState state;
};

// As an entry, and a checkpoint, hold it. Reading: false when it is malformed.
void encode_state(const RecipientState& state, std::string& out);
bool decode_state(WireReader& reader, RecipientState& state);

void encode_entry(const JournalEntry& entry, std::string& out);
// Calls `each` for the entries of a record; false when it is malformed.
bool decode_entries(std::string_view payload, const std::function<void(const JournalEntry&)>& each);

// A message that a checkpoint lists.
struct CheckpointMessage {
  uint32_t offset = 0;
  std::vector<RecipientState> states;  // empty: all pending and never tried
};

// All live messages of `segment`; what is not listed is finished.
struct Checkpoint {
  uint32_t segment = 0;
  std::vector<CheckpointMessage> messages;

  std::string encode() const;
  static std::optional<Checkpoint> decode(std::string_view payload);
};

// Nothing in `segment` from `offset` on was ever acknowledged: it was written
// by a commit that failed, and could not be cut off.
struct VoidRange {
  uint32_t segment = 0;
  uint32_t offset = 0;

  std::string encode() const;
  static std::optional<VoidRange> decode(std::string_view payload);
};

// Batches whose commits were durable before this record was written.
std::string encode_settled(const std::vector<uint64_t>& batches);
std::optional<std::vector<uint64_t>> decode_settled(std::string_view payload);

// The index at the end of a sealed segment.
struct Footer {
  struct Message {
    uint32_t offset = 0;
    uint32_t meta_length = 0;
    uint32_t body_length = 0;
    uint32_t recipients = 0;
  };
  struct Other {  // a record that is not a message
    RecordType type{};
    uint32_t offset = 0;
    uint32_t meta_length = 0;
  };
  struct Member {  // of a batch that was not committed yet
    Message message;
    uint64_t batch = 0;
  };
  std::vector<Message> messages;  // live when the segment was sealed, ascending
  std::vector<Other> others;      // in the order in which they count
  std::vector<Member> members;    // in the batch format only

  std::string encode() const;
  static std::optional<Footer> decode(std::string_view payload);
};

}  // namespace impulse::spool
