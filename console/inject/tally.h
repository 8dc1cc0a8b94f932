// Tally: what became of a run's messages.
#pragma once

#include "console/inject/histogram.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace impulse::ecinject {

// What became of one mail. Where an interface makes a message of each recipient
// (HTTP's transmissions and inject), a mail is many messages.
struct Settled {
  enum class How : uint8_t {
    answered,  // the server said what it did with it
    unknown,   // all of it was sent, and no answer came
    unsent,    // it did not leave, or not as a whole: the server cannot have it
  };
  How how = How::answered;
  uint64_t index = 0;
  uint64_t messages = 0;    // accepted
  uint64_t recipients = 0;  // … of these
  uint64_t bytes = 0;       // … of these messages
  uint64_t micros = 0;      // from its first byte to its answer
  uint64_t pause = 0;       // not to be sent again before so many microseconds; the server asked for that
};

struct Refusals {
  uint64_t messages = 0;    // refused as a whole
  uint64_t recipients = 0;  // those of refused messages, and those refused alone
  std::string text;         // of the first
};

struct Tally {
  uint64_t accepted = 0;  // messages
  uint64_t accepted_recipients = 0;
  uint64_t accepted_bytes = 0;
  uint64_t refused = 0;
  uint64_t refused_recipients = 0;
  uint64_t unknown = 0;
  uint64_t resent = 0;         // mails, because they were unsent, or unknown with --retry
  uint64_t already_there = 0;  // of a stream that an earlier run began
  uint64_t connections = 0;    // attempts
  uint64_t broken = 0;         // … that ended before their time
  uint64_t wire_bytes = 0;     // sent
  std::string last_error;      // of a connection
  std::map<int, Refusals> by_code;
  Histogram latency;  // of accepted mails, microseconds

  void accept(const Settled& settled) {
    accepted += settled.messages;
    accepted_recipients += settled.recipients;
    accepted_bytes += settled.bytes;
    if (settled.messages != 0) latency.add(settled.micros);
  }
  void refuse(int code, uint64_t messages, uint64_t recipients, std::string_view text) {
    refused += messages;
    refused_recipients += recipients;
    Refusals& refusals = by_code[code];
    refusals.messages += messages;
    refusals.recipients += recipients;
    if (refusals.text.empty()) refusals.text = text;
  }
};

}  // namespace impulse::ecinject
