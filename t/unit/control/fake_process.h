// FakeProcess: what the daemon would say about itself, as a test wants it.
#pragma once

#include "control/process.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace impulse::control::test {

class FakeProcess : public Process {
 public:
  explicit FakeProcess(telemetry::Counters& counters) : counters_(&counters) { levels.fill(telemetry::Level::notice); }

  std::vector<ThreadStatus> threads() override { return rows; }
  void reset_longest() override {
    for (ThreadStatus& row : rows)
      if (row.loop) row.loop->longest = Duration(0);
  }
  MemoryStatus memory() override { return used; }
  SystemInfo information() override { return info; }
  std::vector<std::pair<std::string, Result<>>> reopen_logs() override { return reopened; }
  std::vector<LogStatus> logs() override { return files; }
  void rotate_logs() override { ++rotated; }
  std::vector<telemetry::LogLine> recent_log(size_t each_level) override {
    asked_lines = each_level;
    return lines;
  }
  telemetry::Level log_level(telemetry::Area area) override { return levels[static_cast<size_t>(area)]; }
  void reset_counters(std::optional<telemetry::Counter> counter, WallTime now) override {
    if (counter)
      counters_->reset(*counter, now);
    else
      counters_->reset(now);
  }
  std::vector<CertificateStatus> certificates() override { return served; }
  std::vector<CertificateTrouble> check_certificates(WallTime) override { return troubles; }
  Result<std::vector<std::string>> reload_certificates() override { return renewed; }

  std::vector<ThreadStatus> rows;
  MemoryStatus used;
  SystemInfo info;
  std::vector<std::pair<std::string, Result<>>> reopened;
  std::vector<LogStatus> files;
  int rotated = 0;
  std::vector<telemetry::LogLine> lines;
  size_t asked_lines = 0;
  std::array<telemetry::Level, static_cast<size_t>(telemetry::Area::count_)> levels{};
  std::vector<CertificateStatus> served;
  std::vector<CertificateTrouble> troubles;
  Result<std::vector<std::string>> renewed;

 private:
  telemetry::Counters* counters_;
};

}  // namespace impulse::control::test
