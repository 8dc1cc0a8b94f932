// What a message may have at most, whatever the configuration says.
#pragma once

#include <cstddef>

namespace impulse::message {

// Recipients of one message: its envelope is in memory as a whole, and what is known of each of them is written
// together (spool/limits.h). A client is told 452 4.5.3 for more, and sends the message to them by itself
// (RFC 5321 §4.5.3.1.10).
constexpr size_t most_recipients = 100000;

// Header fields that the logs are to have (Jsonlog_Headers), and bytes of their names and values.
constexpr size_t most_chosen_headers = 100;
constexpr size_t most_chosen_header_bytes = 16384;

}  // namespace impulse::message
