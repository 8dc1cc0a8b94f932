// Progress: one line on a terminal that says how far a run is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace impulse::ecinject {

struct Standing {
  double seconds = 0;
  uint64_t done = 0;      // messages that something became of
  uint64_t accepted = 0;  // … of these
  uint64_t bytes = 0;     // … of these
  uint64_t failed = 0;
  uint64_t all = 0;     // 0: nobody knows
  double duration = 0;  // seconds; 0: no limit
};

// At most `width` columns, ASCII.
std::string progress_line(const Standing& standing, size_t width);
std::string human_bytes(double bytes);  // "1.5 MiB"

class Progress {
 public:
  // `fd` -1, or no terminal: nothing is ever written.
  explicit Progress(int fd);
  bool on() const { return fd_ >= 0; }
  void show(const Standing& standing, bool last);  // last: the line is taken away

 private:
  int fd_;
  bool shown_ = false;
};

}  // namespace impulse::ecinject
