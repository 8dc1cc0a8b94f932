// How old mail is, by a clock that nobody sets. The wall clock may jump while the
// process runs; mail must not be given up for that, nor be kept for ever.
#pragma once

#include "base/clock.h"

namespace impulse::delivery {

// The wall clock's time when the process began, and run on evenly since then, also
// while the machine slept. Any thread.
WallTime even_now();

// A moment that was told by the wall clock, by even_now(): what was told before the
// clock was set, and what was told since, each as old as it is. In the future by
// both: just now. Pure.
WallTime even_time(WallTime told, WallTime even_now, WallTime wall_now);

// Now, by the clock that told when mail was received that is as old as it is.
inline WallTime now_of_mail(WallTime received) {
  const WallTime now = even_now();
  return now - (even_time(received, now, wall_now()) - received);
}

// How far even_now() is ahead of the wall clock, where that was set; 0 for less than a second.
inline Duration even_ahead(WallTime wall_now) {
  const Duration ahead = even_now() - wall_now;
  return ahead < std::chrono::seconds(1) && ahead > -std::chrono::seconds(1) ? Duration{0} : ahead;
}

}  // namespace impulse::delivery
