// What a message record says about its message: tag, length and value of each
// field, so that later versions can add fields and old ones skip them.
#pragma once

#include "base/result.h"
#include "spool/large_files.h"
#include "spool/spool.h"

#include <optional>
#include <string>
#include <string_view>

namespace impulse::spool {

// Appends the metadata of a message to `out`. `node` is kept with it: the id
// in the trace is the one that was told to the sender, whatever the node is
// called later.
void encode_message(const Incoming& message, std::string_view node, std::string& out);

// Appends of which batch it is a part: it counts only when that was committed.
void encode_batch(uint64_t batch, std::string& out);
// That of a message; 0: none.
uint64_t batch_of(std::string_view bytes);

// Appends where the rest of the body is.
void encode_rest(const Rest& rest, std::string& out);

struct MessageMeta {
  message::Envelope envelope;
  std::string trace;  // without the id
  uint32_t id_offset = Incoming::no_id;
  std::string node;
  std::optional<Rest> rest;  // the body goes on there

  // The trace with the id in its place.
  std::string trace_with(MessageId id) const;
  uint64_t trace_size() const {
    return trace.size() + (id_offset == Incoming::no_id ? 0 : MessageId::text_length(node));
  }
};

// Errc::invalid for malformed bytes, Errc::unavailable for a field that must
// be understood and is not (written by a newer version).
Result<MessageMeta> decode_message(std::string_view bytes);
// What it tells of other messages, as journal entries (journal.h); empty as a rule.
std::string told_in(std::string_view bytes);
// Only the number of recipients.
Result<uint32_t> count_recipients(std::string_view bytes);

}  // namespace impulse::spool
