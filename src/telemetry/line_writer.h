// LineWriter: appends lines to a file from a thread of its own, so that who
// logs never waits for a disk. Both logs stand on it.
//
// Lines gather in one buffer under one mutex; the writer swaps it out at the
// latest `delay` after its first line, at once when it grew large or a line
// was urgent. While the file cannot be written (disk full, pipe stuck), lines
// stay in memory up to `bound` bytes; those beyond are counted, not kept, and
// once writing works again the `loss` line takes their place.
#pragma once

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace impulse::telemetry {

class LineWriter {
 public:
  struct Options {
    size_t bound = size_t{64} << 20;                  // bytes kept while writing is not possible
    size_t batch = size_t{256} << 10;                 // bytes that are worth a write before the delay is over
    Duration delay = std::chrono::milliseconds(100);  // longest wait of a line before it is written
    Duration retry = std::chrono::seconds(1);         // between attempts while writing fails
    std::string name = "log";                         // of the thread, for who looks at the process
    std::function<std::string(uint64_t lines)> loss;  // the line (with its '\n') that stands for dropped ones
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
  // Opens the path again, for the lines not yet written and all to come. When
  // that fails the old file stays in use. Any thread.
  Result<> reopen();
  // Waits until all that was appended before is in the file, or writing failed.
  void flush();
  uint64_t dropped() const;  // lines, since the start

 private:
  LineWriter(std::string path, UniqueFd fd, Options options);
  void run();
  bool write_some();
  void adopt_next();

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
  UniqueFd next_;
  bool urgent_ = false;
  bool stop_ = false;

  // The writer thread's own.
  UniqueFd fd_;
  std::string chunk_;    // being written
  size_t offset_ = 0;    // how far
  bool regular_ = true;  // a regular file: writes do not block for long
  std::thread thread_;
};

}  // namespace impulse::telemetry
