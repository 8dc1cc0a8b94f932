// LogFile: the file that a log's lines go to, and its rotation: the file gets a
// name with the time, "mainlog.20260102T030405.678Z", and another takes its
// place. Who writes sees to it that only whole lines stand in a rotated file.
#pragma once

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::telemetry {

// When a file is rotated, and what becomes of it then.
struct Rotation {
  uint64_t size = 0;      // bytes that it may have, and the rest of a line; 0: any number
  Duration interval{0};   // as often as a multiple of it has passed since 1970 (UTC); 0: never
  bool compress = false;  // by gzip
  uint64_t keep = 0;      // rotated files that are kept, the newest; 0: all
  Duration keep_time{0};  // and how long; 0: for ever
  friend bool operator==(const Rotation&, const Rotation&) = default;
};

// What a rotated file has behind the log's name and a '.'; its text sorts by time.
std::string rotation_stamp(WallTime time);
bool is_rotation_stamp(std::string_view text);

// One thread at a time.
class LogFile {
 public:
  // Appends to `path`, made with mode 0640. A FIFO without a reader is an error.
  static Result<LogFile> open(const std::string& path);
  // Over a descriptor that has no path: never rotated.
  explicit LogFile(UniqueFd fd);

  int fd() const { return fd_.get(); }
  bool regular() const { return regular_; }  // writes do not block for long
  uint64_t size() const { return size_; }
  // The last line in it has no end: a crash, or a disk that was full. Another
  // line must not be glued to it.
  bool torn() const { return torn_; }
  void wrote(std::string_view bytes, WallTime now);
  // At its size and its end, when it was written to by another descriptor.
  void look_again();

  // How many of the bytes may be written before it is due; whole lines, at least one.
  size_t allowance(std::string_view bytes, const Rotation& rotation) const;
  // To be rotated, now that it ends with a whole line.
  bool due(const Rotation& rotation, WallTime now);
  // When due() may say so without another line; the end of time: never.
  WallTime next_look(const Rotation& rotation) const;
  // Another file is at its path by now, or none.
  bool moved() const;
  // Where the file is now, links followed; empty: it was moved away by somebody
  // else, and another one was opened. When that fails all is as it was.
  Result<std::string> rotate(WallTime now);
  // The path itself, links followed; as given when it cannot be told.
  std::string place() const;

 private:
  LogFile(std::string path, UniqueFd fd);
  void look();

  std::string path_;
  UniqueFd fd_;
  bool regular_ = true;
  bool torn_ = false;
  uint64_t size_ = 0;
  WallTime began_{};  // of what is in it the first known time
  WallTime stamped_{};
};

}  // namespace impulse::telemetry
