// What one message, and one batch, may say of recipients at most: it is in one
// record each, and in memory, when it is written and when a start reads it.
#pragma once

#include "message/limits.h"
#include "spool/journal.h"

#include <cstddef>
#include <cstdint>

namespace impulse::spool {

// Bytes of one recipient's state in a journal, without its two texts.
inline constexpr size_t state_size = 28;
inline constexpr size_t most_state_size = state_size + max_error_text + max_binding_name;
// Of one message, when all of them were tried, and failed for long reasons.
inline constexpr uint64_t most_message_states = uint64_t{message::most_recipients} * most_state_size;
// Of a batch: some of many messages, and all of the last.
inline constexpr uint64_t most_batch_states = most_message_states + (uint64_t{16} << 20);

}  // namespace impulse::spool
