// LogKeeper: looks after log files that were rotated, on a thread of its own:
// compresses them, and removes those that are too many or too old. What it does
// it can be stopped in at any moment, and does the next time: a compressed file
// takes its name when it is whole and on the disk, and only then the other goes.
#pragma once

#include "telemetry/log_file.h"

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace impulse::telemetry {

class LogKeeper {
 public:
  // `trouble` is told what could not be done, on the keeper's thread; `pause`:
  // between looks at what grows old.
  using Trouble = std::function<void(std::string_view id, const std::string& text)>;
  explicit LogKeeper(Trouble trouble, Duration pause = std::chrono::hours(1));
  ~LogKeeper();
  LogKeeper(const LogKeeper&) = delete;
  LogKeeper& operator=(const LogKeeper&) = delete;

  // Looks soon after the rotated files of the log at `path`, and from time to time
  // from now on. Any thread.
  void look_after(const std::string& path, const Rotation& rotation);
  // Until all that was asked for before is done. For tests.
  void wait();

 private:
  void run();
  void tidy(const std::string& path, const Rotation& rotation);
  bool compress(const std::string& file);
  bool stopping() const;

  const Trouble trouble_;
  const Duration pause_;
  mutable std::mutex mutex_;  // guards all down to `stop_`
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::map<std::string, Rotation> logs_;
  std::map<std::string, Rotation> asked_;  // to be looked after now
  bool busy_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace impulse::telemetry
