// LineWriter: appends lines to a file from a thread of its own, so that who
// logs never waits for a disk. All logs stand on it.
//
// Lines gather in one buffer under one mutex; the writer swaps it out at the
// latest `delay` after its first line, at once when it grew large or a line
// was urgent. While the file cannot be written (disk full, pipe stuck), lines
// stay in memory up to `bound` bytes; those beyond are counted, not kept, and
// once writing works again the `loss` line takes their place.
//
// The writer rotates its file, between two lines, and writes a heartbeat where
// that is asked for.
#pragma once

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "telemetry/counters.h"
#include "telemetry/log_file.h"
#include "telemetry/log_keeper.h"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace impulse::telemetry {

// What is the same for all logs, and may change while they are open.
struct LogTerms {
  Rotation rotation{};
  Duration heartbeat{0};  // between two of them; 0: none
};

// What a log needs of the daemon. Borrowed, outliving the log; null: there is none.
struct LogContext {
  LogTerms terms{};
  Counters* counters = nullptr;  // for lines that were dropped
  LogKeeper* keeper = nullptr;   // of what was rotated
  LogKeeper::Trouble trouble{};  // told, on the log's thread, what cannot be done
};

class LineWriter {
 public:
  struct Options {
    size_t bound = size_t{64} << 20;                       // bytes kept while writing is not possible
    size_t batch = size_t{256} << 10;                      // bytes that are worth a write before the delay is over
    Duration delay = std::chrono::milliseconds(100);       // longest wait of a line before it is written
    Duration retry = std::chrono::seconds(1);              // between attempts while writing fails
    std::string name = "log";                              // of the thread, for who looks at the process
    std::function<std::string(uint64_t lines)> loss;       // the line (with its '\n') that stands for dropped ones
    std::function<std::string(WallTime now)> heartbeat{};  // that line; none: no heartbeats
    std::optional<Counter> lost{};                         // counts lines that were dropped
    LogContext context{};
    std::function<WallTime()> clock = wall_now;
  };

  // How it fares.
  struct Status {
    std::string path;      // empty: standard error
    uint64_t size = 0;     // of the file, bytes
    uint64_t waiting = 0;  // bytes that are not written yet
    uint64_t dropped = 0;  // lines, since the start
    uint64_t rotations = 0;
    std::string trouble;  // why it cannot be written now; empty: it can
  };

  // Appends to `path`, made with mode 0640; empty: a duplicate of standard error.
  static Result<std::unique_ptr<LineWriter>> open(const std::string& path, Options options);
  // Over a descriptor that is open already; reopen() does nothing then.
  static std::unique_ptr<LineWriter> over(UniqueFd fd, Options options);
  // Writes what waits, if the file takes it; does not insist when it is stuck.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // `line` is one or several whole lines with their '\n'. Any thread, never blocks on the file.
  void append(std::string_view line, bool urgent = false);
  // Lines that there was no room to make.
  void lose(uint64_t lines);
  // Opens the path again, for the lines not yet written and all to come. When
  // that fails the old file stays in use. Any thread.
  Result<> reopen();
  // Rotates the file soon, if there is a line in it. Any thread.
  void rotate();
  void set_terms(const LogTerms& terms);  // any thread
  // Waits until all that was appended before is in the file, or writing failed.
  void flush();
  uint64_t dropped() const;  // lines, since the start
  Status status() const;     // any thread

 private:
  LineWriter(std::string path, LogFile file, Options options);
  void run();
  Duration pause() const;
  void next_chunk();
  void beat();
  bool mend();
  bool write_some(const Rotation& rotation);
  void adopt_next();
  void turn_over(std::unique_lock<std::mutex>& lock);
  void complain(std::unique_lock<std::mutex>& lock, std::string_view id, const std::string& text);

  const std::string path_;
  const Options options_;

  mutable std::mutex mutex_;         // guards all down to `stop_`
  std::condition_variable wake_;     // the writer waits here
  std::condition_variable written_;  // flush() waits here
  std::string pending_;
  size_t unwritten_ = 0;   // bytes of chunk_ still to be written
  uint64_t appended_ = 0;  // bytes ever appended
  uint64_t finished_ = 0;  // of these, bytes written
  uint64_t failures_ = 0;  // attempts that failed
  uint64_t lost_ = 0;      // lines dropped since the last loss line
  uint64_t dropped_ = 0;
  uint64_t rotations_ = 0;
  uint64_t size_ = 0;    // of the file
  std::string trouble_;  // of the last attempt to write
  LogTerms terms_;
  SteadyTime next_beat_{};
  std::optional<LogFile> next_;
  bool turn_ = false;     // rotate() was called
  bool changed_ = false;  // the terms have changed
  bool urgent_ = false;
  bool stop_ = false;

  // The writer thread's own.
  LogFile file_;
  SteadyTime no_turn_before_{};  // a rotation has failed
  std::string chunk_;            // being written
  size_t offset_ = 0;            // how far
  std::thread thread_;
};

}  // namespace impulse::telemetry
