// Reading single messages, checked: wherever their records, and the rests of
// their bodies, lie.
#pragma once

#include "base/result.h"
#include "spool/index.h"
#include "spool/large_files.h"
#include "spool/message_codec.h"
#include "spool/segment_files.h"
#include "spool/segment_reader.h"
#include "spool/spool.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::spool {

// Of the record of a message, or of a copy of one: the header, and the message's own metadata.
Result<RecordHead> read_message_head(const SegmentFiles& files, MessageId id, const Located& located);

// A live message without its body. Errc::invalid when it is damaged.
// `rest`, when asked for: where its body goes on.
Result<Summary> read_summary(const SegmentFiles& files, MessageId id, Located located,
                             std::optional<Rest>* rest = nullptr);

// The same of a record's head that was read already; not of a copy's.
Result<Summary> summary_of(MessageId id, Located located, const HeadView& head, std::optional<Rest>* rest);

// What to do with the rest of a large body: all of it into memory, or as Spool::open() has it.
enum class RestWanted : uint8_t { in_memory, in_place };
// With its body. Errors as above; `bad_rest`: of what could not be read of the file of a large body.
Result<Stored> read_stored(const SegmentFiles& files, const LargeFiles& large, MessageId id, Located located,
                           std::optional<Rest>* bad_rest = nullptr, RestWanted wanted = RestWanted::in_memory);

// From what is in memory of it: its metadata as they are encoded, and its body.
// Nothing when they are not those of the message that `located` is about.
std::optional<Stored> stored_of(MessageId id, Located located, std::string_view meta, std::string body);

}  // namespace impulse::spool
