// The accounting log: who authenticated, and which commands were run or
// refused, in Momentum's '@'-separated form (doc/logs.md).
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "telemetry/line_writer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace impulse::telemetry {

// Where an event happened, and whose it is.
struct Account {
  WallTime time{};
  std::string listen;  // canonical endpoint
  std::string peer;    // address:port; empty for a Unix socket
  std::string user;    // who it is, or said to be; empty: nobody
};

class Acctlog {
 public:
  // Appends to `path` (made with 0640). Writing happens on a thread of its
  // own; a caller never waits for a disk. Empty path: nothing is logged.
  static Result<std::unique_ptr<Acctlog>> open(const std::string& path, const LogContext& context = {});
  virtual ~Acctlog() = default;  // writes what is waiting

  virtual void authentication(const Account& account, bool good) = 0;  // N; any thread
  virtual void timeout(const Account& account) = 0;                    // T: of one who had to authenticate and did not
  // Z. `command` has no secrets in it any more. `role`: that allowed it; empty
  // when it was not allowed, or roles were not asked.
  virtual void command(const Account& account, bool allowed, std::string_view command, std::string_view role) = 0;
  virtual LineWriter* writer() = 0;  // to the file; null: there is no log
  Result<> reopen() { return writer() == nullptr ? Result<>{} : writer()->reopen(); }
  void flush() {
    if (writer() != nullptr) writer()->flush();
  }
};

}  // namespace impulse::telemetry
