// The rejection log: one line for each command, message or session that was
// refused, in the form of Momentum's rejectlog, or as JSON (doc/logs.md).
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "telemetry/line_writer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace impulse::telemetry {

// What was refused, to whom, and why. Whatever came from a client is escaped
// by the writer: a rejection is always one line.
struct Rejection {
  WallTime time{};
  uint64_t session = 0;      // as `show inbound` has it
  std::string listener;      // "ESMTP_Listener"
  std::string listen;        // canonical Listen
  std::string peer;          // address:port; of a Unix socket its path
  std::string local;         // address:port that the client connected to
  std::string_view tenant;   // empty: of none
  std::string_view pathway;  // its name
  std::string_view group;    // that the Pathway stands in; "default": in none
  std::string_view phase;    // smtp::ServerSession::state()
  int code = 0;              // SMTP reply
  std::string_view cause;    // stable word
  std::string_view text;     // of the reply, with the enhanced code
  std::string_view helo;     // empty: not said yet
  std::string_view user;     // who authenticated; empty: nobody
  std::string_view command;  // the MAIL or RCPT that was refused; empty: something else was
  bool in_transaction = false;
  std::string_view sender;     // of the transaction; empty: the null sender
  std::string_view recipient;  // the last that was accepted in it; empty: none yet
};

class Rejectlog {
 public:
  enum class Form : uint8_t { momentum, json };
  // Appends to `path` (made with 0640). Writing happens on a thread of its
  // own; a caller never waits for a disk. Empty path: nothing is logged.
  static Result<std::unique_ptr<Rejectlog>> open(const std::string& path, Form form, const LogContext& context = {});
  virtual ~Rejectlog() = default;  // writes what is waiting

  virtual bool wanted() const = 0;                         // false: there is no log, and nothing need be made for it
  virtual void rejection(const Rejection& rejection) = 0;  // any thread
  virtual LineWriter* writer() = 0;                        // to the file; null: there is no log
  Result<> reopen() { return writer() == nullptr ? Result<>{} : writer()->reopen(); }
  void flush() {
    if (writer() != nullptr) writer()->flush();
  }
};

}  // namespace impulse::telemetry
