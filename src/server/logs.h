// Logs: all log files of the daemon, opened by the configuration, rotated and
// looked after alike.
#pragma once

#include "config/snapshot.h"
#include "net/loop.h"
#include "telemetry/acctlog.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"
#include "telemetry/log_keeper.h"
#include "telemetry/mail_logs.h"
#include "telemetry/rejectlog.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::server {

class Logs {
 public:
  // `node`: the daemon's name, for the lines. The rest is borrowed, outliving it.
  // What goes wrong with a log is told to the diagnostic log from `main`'s thread.
  static Result<std::unique_ptr<Logs>> open(const config::Options& global, const std::string& node,
                                            telemetry::Counters& counters, net::Loop& main);
  ~Logs();
  Logs(const Logs&) = delete;
  Logs& operator=(const Logs&) = delete;

  telemetry::Log& log() { return *log_; }
  telemetry::MailLogs& mail() { return *mail_; }
  telemetry::Acctlog& acct() { return *acct_; }
  telemetry::Rejectlog& reject() { return *reject_; }

  // Those that are written, by the names of their options.
  std::vector<std::pair<std::string_view, telemetry::LineWriter*>> writers() const;
  // Rotation, heartbeats and chosen fields by another configuration. Any thread.
  void apply(const config::Options& global) noexcept;
  // Each log with what came of it; those that are not written go well.
  std::vector<std::pair<std::string, Result<>>> reopen();
  // All but the diagnostic log; behind those that write to them.
  void close();

 private:
  Logs() = default;

  std::shared_ptr<char> alive_ = std::make_shared<char>();
  std::unique_ptr<telemetry::LogKeeper> keeper_;
  std::unique_ptr<telemetry::Log> log_;
  std::unique_ptr<telemetry::MailLogs> mail_;
  std::unique_ptr<telemetry::Acctlog> acct_;
  std::unique_ptr<telemetry::Rejectlog> reject_;
};

}  // namespace impulse::server
