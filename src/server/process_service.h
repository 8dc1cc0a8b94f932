// ProcessService: the daemon as a process, for console commands: threads,
// memory, logs, counters, certificates. Main thread.
#pragma once

#include "control/process.h"
#include "net/loop.h"
#include "server/logs.h"
#include "server/loops.h"
#include "server/snapshot_keeper.h"
#include "server/tls_store.h"
#include "spool/spool.h"
#include "telemetry/counters.h"

namespace impulse::server {

struct ProcessParts {  // borrowed, outliving it
  telemetry::Counters& counters;
  Logs& logs;
  TlsStore& tls;
  const Loops& loops;
  net::Loop& main;
  net::Loop& delivery_loop;
  spool::Spool& spool;
  const SnapshotKeeper& snapshots;
};

class ProcessService : public control::Process {
 public:
  explicit ProcessService(ProcessParts parts) : parts_(parts) {}

  std::vector<control::ThreadStatus> threads() override;
  void reset_longest() override;
  control::MemoryStatus memory() override;
  control::SystemInfo information() override;
  std::vector<std::pair<std::string, Result<>>> reopen_logs() override;
  std::vector<control::LogStatus> logs() override;
  void rotate_logs() override;
  std::vector<telemetry::LogLine> recent_log(size_t each_level) override;
  telemetry::Level log_level(telemetry::Area area) override;
  void reset_counters(std::optional<telemetry::Counter> counter, WallTime now) override;
  std::vector<control::CertificateStatus> certificates() override;
  std::vector<control::CertificateTrouble> check_certificates(WallTime now) override;
  Result<std::vector<std::string>> reload_certificates() override;

 private:
  ProcessParts parts_;
};

}  // namespace impulse::server
