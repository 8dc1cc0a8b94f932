// The main log: one line for each reception (R), delivery (D), transient (T)
// and permanent (P) failure, in Momentum's '@'-separated form (doc/logs.md).
#pragma once

#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace impulse::telemetry {

// Fields that a record kind has no use for are not looked at. Whatever came
// from a peer is escaped by the writer: a record is always one line, and every
// '@' in it is a separator.
struct Record {
  WallTime time{};
  std::string id;         // message id with node
  std::string recipient;  // one line a recipient
  std::string sender;     // "" is the null sender
  std::string peer;       // R: client address; D, T, P: remote host and port, or Maildir path
  std::string local;      // R: Listen; D, T, P: source address
  std::string domain;     // of the recipient
  uint64_t size = 0;      // R, D: bytes
  uint32_t attempts = 0;  // D, T, P: earlier attempts, 0 for the first
  Duration delay{0};      // D, T, P: since reception
  std::string response;   // D, T, P: what the other side said
  std::string tenant;     // whose mail it is; "" is of none
  std::string protocol;   // "ESMTP", "ESMTPS", "MAILDIR", for our own mail "INTERNAL"; written in lower case
};

class Mainlog {
 public:
  // Appends to `path` (made with 0640). Writing happens on a thread of its
  // own; a caller never waits for a disk. Empty path: nothing is logged.
  static Result<std::unique_ptr<Mainlog>> open(const std::string& path);
  virtual ~Mainlog() = default;  // writes what is waiting

  virtual void reception(const Record& record) = 0;  // any thread
  virtual void delivery(const Record& record) = 0;
  virtual void transient(const Record& record) = 0;
  virtual void permanent(const Record& record) = 0;
  virtual Result<> reopen() = 0;  // after rotation; keeps the old file when the new one cannot be opened
  virtual void flush() = 0;       // waits until all so far is in the file
};

}  // namespace impulse::telemetry
