// RateWindow: how often something happened lately, against a config::Rate.
// Two windows: the one that runs, and the share of the one before that still
// counts. So the rate holds across the border of windows too, and a steady
// stream at the rate passes. Not thread-safe: its owner has a lock.
#pragma once

#include "base/clock.h"
#include "config/value.h"

#include <algorithm>
#include <cstdint>

namespace impulse::server {

class RateWindow {
 public:
  // Whether one more, or so many, would be too many. A rate of count 0 has no limit.
  bool full(const config::Rate& rate, SteadyTime now, uint64_t more = 1) {
    if (rate.count == 0) return false;
    roll(rate.per, now);
    const double passed = std::chrono::duration<double>(now - began_) / std::chrono::duration<double>(rate.per);
    const double share = std::clamp(1.0 - passed, 0.0, 1.0);
    return static_cast<double>(before_) * share + static_cast<double>(count_) + static_cast<double>(more) >
           static_cast<double>(rate.count);
  }
  // One more, or so many at once; false, and nothing is counted, when that is too many.
  bool take(const config::Rate& rate, SteadyTime now, uint64_t more = 1) {
    if (full(rate, now, more)) return false;
    if (rate.count != 0) count_ += more;
    return true;
  }
  // What was taken last did not happen after all.
  void give_back(uint64_t taken = 1) {
    const uint64_t of_now = std::min(count_, taken);
    count_ -= of_now;
    before_ -= std::min(before_, taken - of_now);
  }
  // Nothing in it counts any more.
  bool over(Duration per, SteadyTime now) const { return (count_ == 0 && before_ == 0) || now - began_ >= 2 * per; }

 private:
  void roll(Duration per, SteadyTime now) {
    const auto passed = now - began_;
    if (passed < per) return;
    const bool next = passed < 2 * per;
    before_ = next ? count_ : 0;
    count_ = 0;
    began_ = next ? began_ + per : now;
  }

  SteadyTime began_{};
  uint64_t before_ = 0;
  uint64_t count_ = 0;
};

}  // namespace impulse::server
