// The diagnostic log: levels, subsystems, stable ids. Over spdlog.
#pragma once

#include "base/result.h"
#include "telemetry/line_writer.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::telemetry {

enum class Level : uint8_t { critical, error, warning, notice, info, debug };

// Where a line comes from; Debug_Flags sets a level for each.
enum class Area : uint8_t { server, config, net, tls, smtp, spool, queue, delivery, control, http, ecstream, count_ };
std::string_view to_string(Level level);
std::string_view to_string(Area area);

// A line that was logged, as the file has it.
struct LogLine {
  uint64_t number = 0;  // in order of logging
  Level level = Level::notice;
  std::string text;  // cut at 1 KiB
};

class Log {
 public:
  // `path` empty: standard error. Lines are
  //   2026-01-02T03:04:05.678Z level area id: text
  static Result<std::unique_ptr<Log>> open(const std::string& path, const LogContext& context = {});
  virtual ~Log() = default;

  // Cheap test in front of expensive arguments.
  bool wants(Level level, Area area) const {
    return static_cast<uint8_t>(level) <= levels_[static_cast<size_t>(area)].load(std::memory_order_relaxed);
  }
  void set_level(Area area, Level level) {
    levels_[static_cast<size_t>(area)].store(static_cast<uint8_t>(level), std::memory_order_relaxed);
  }
  // `id` is a stable word listed in doc/messages.md, such as "listener-bound".
  // Control characters in `text` are escaped. Any thread.
  void write(Level level, Area area, std::string_view id, std::string_view text) {
    if (wants(level, area)) emit(level, area, id, text);
  }
  virtual LineWriter* writer() = 0;  // to the file; not null
  Result<> reopen() { return writer()->reopen(); }
  void flush() { writer()->flush(); }
  // The last lines of each level, at most `each` and never more than 100, in
  // order; kept in memory, so that a console can show them wherever the log goes.
  virtual std::vector<LogLine> recent(size_t each) const = 0;

 protected:
  Log();  // every area at notice
  virtual void emit(Level level, Area area, std::string_view id, std::string_view text) = 0;

 private:
  std::atomic<uint8_t> levels_[static_cast<size_t>(Area::count_)];
};

}  // namespace impulse::telemetry
