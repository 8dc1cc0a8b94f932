// MessageRules: what the configuration says of a message, the same for each
// protocol that takes mail. A protocol's policy has them in it, and is compiled
// once per commit and Peer chain.
#pragma once

#include "base/clock.h"
#include "message/body_keeper.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace impulse::config {
class Options;
}

namespace impulse::intake {

struct MessageRules : message::BodyRules {
  bool allow_null_sender = true;                             // Allow_Null_Envelope_Sender
  bool allow_ip_literal = true;                              // Allow_IP_Literal
  bool pedantic_addresses = true;                            // RFC2821_Pedantic_Address_Rules
  uint32_t max_recipients = 0;                               // of one message; 0 no limit of its own
  bool trace_headers = true;                                 // RFC2822_Trace_Headers: add Received
  Duration max_hold = std::chrono::days(7);                  // a message may be held back; the longest
  std::vector<std::pair<std::string, std::string>> context;  // Context
  std::string tenant;

  friend bool operator==(const MessageRules&, const MessageRules&) = default;
};

// All of them but max_hold, which no option says alone.
void read_message_rules(const config::Options& options, MessageRules& rules);

// Hostname; the system's where it is not set.
std::string host_name(const config::Options& options);

// An option's number where ours has 32 bits: those that are too large or too small are the nearest.
uint32_t to_count(int64_t value, int64_t least = 0);

}  // namespace impulse::intake
