// Policy: what injection by HTTP has to know of the configuration, compiled
// once per commit and Peer chain.
#pragma once

#include "api/limits.h"
#include "base/clock.h"
#include "message/fixups.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace impulse::config {
class Options;
}

namespace impulse::api {

struct Policy {
  std::string hostname;  // Received_Hostname; in Received and Message-ID
  std::string tenant;
  bool trace_headers = true;             // RFC2822_Trace_Headers
  message::FixupPolicy fixups;           // RFC2822_Date_Header and its like
  uint64_t max_message_size = 52428800;  // bytes, of one message; 0 no limit
  uint32_t max_recipients = 0;           // of one message; 0 no limit
  size_t max_request_recipients = usual_request_recipients;
  uint32_t max_received_headers = 100;  // 0 no limit
  bool allow_null_sender = true;
  bool allow_ip_literal = true;
  bool pedantic_addresses = true;
  Duration max_hold = std::chrono::days(7);                  // start_time, hold_until: the farthest
  size_t body_block = 16384;                                 // Growbuf_Size, bytes
  std::vector<std::pair<std::string, std::string>> context;  // Context

  friend bool operator==(const Policy&, const Policy&) = default;
};

std::shared_ptr<const Policy> make_policy(const config::Options& options);

}  // namespace impulse::api
