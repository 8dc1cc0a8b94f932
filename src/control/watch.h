// Watch: what a console session that asked for it (`watch on`) is told without
// asking: counters that changed, each interval, and events. Bounded: what a
// slow reader cannot be told is dropped, and counted.
#pragma once

#include "base/clock.h"
#include "control/system.h"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::control {

// What the `watch` command asks of its session.
struct WatchWish {
  bool on = false;
  bool json = false;
  Duration interval = std::chrono::seconds(1);
};

class Watch {
 public:
  static constexpr size_t most_waiting = 64;  // notices
  static constexpr size_t longest = 1024;     // bytes of an event's text
  static constexpr Duration shortest_interval = std::chrono::milliseconds(100);
  static constexpr Duration longest_interval = std::chrono::hours(1);

  bool on() const { return wish_.on; }
  Duration interval() const { return wish_.interval; }
  // Begins anew, or ends. Returns how many notices were dropped so far.
  uint64_t set(const WatchWish& wish);

  // Something happened; `id` is a stable word of doc/messages.md.
  void event(std::string_view id, std::string_view text);
  // An interval is over: looks at the counters and at the spool.
  void tick(System& system);

  bool waiting() const { return !lines_.empty() || !counters_.empty(); }
  // Appends all that waits, as lines of the protocol.
  void say(std::string& out);

 private:
  WatchWish wish_;
  std::vector<int64_t> told_;      // counters, by their number
  std::deque<std::string> lines_;  // events, whole lines
  std::string counters_;           // the line of the last tick; while it waits there is no other
  bool accepting_ = true;          // the spool, when it was looked at last
  uint64_t dropped_ = 0;           // since `watch on`
  uint64_t admitted_ = 0;          // of these the client knows
};

}  // namespace impulse::control
