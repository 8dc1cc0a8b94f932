// How much one request may hold, apart from its bytes (Max_Request_Size): what
// costs memory and work far beyond those. Constants, and no options: whoever
// has more sends another request.
#pragma once

#include <cstddef>

namespace impulse::api {

// Recipients, taken or rejected; Policy::max_request_recipients.
constexpr size_t usual_request_recipients = 100'000;

// Rejected recipients that the answer says why of; the rest are counted. The
// second: also when more are asked for (num_rcpt_errors).
constexpr size_t usual_errors_told = 100;
constexpr size_t max_errors_told = 1'000;

// Values in a request's JSON, each array, object and what stands in them: a
// value costs two bytes in the request, and many times that in memory.
constexpr size_t max_json_values = 1'000'000;

// Files in one message, attached or inline.
constexpr size_t max_attachments = 1'000;

// Bytes that names and values of one message's metadata may have together.
constexpr size_t max_metadata = 10'000;
// … and how many of its names a header field may tell of (include_meta_names).
constexpr size_t max_metadata_names = 100;

}  // namespace impulse::api
