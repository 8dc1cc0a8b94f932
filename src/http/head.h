// What a head says as a whole: from lines that are good each for itself to a
// request that can be read in one way only.
#pragma once

#include "http/head_reader.h"
#include "http/message.h"
#include "http/policy.h"
#include "http/syntax.h"

#include <optional>

namespace impulse::http {

// Fills `head` as far as it gets; the id only when the client's is harmless.
std::optional<Fault> read_head(const HeadReader& reader, const Policy& policy, RequestHead& head);

// Whether a body comes in chunks: no other transfer coding is taken.
inline bool is_chunked(const RequestHead& head) { return head.has_body && !head.content_length; }

}  // namespace impulse::http
