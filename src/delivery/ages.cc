#include "delivery/ages.h"

#include <algorithm>
#include <ctime>

namespace impulse::delivery {
namespace {

// Less than that is the time that passes between two looks; as in even_ahead().
constexpr Duration worth = std::chrono::seconds(1);

Duration since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(now.tv_nsec));
}

const Duration began_after = since_boot();
const WallTime began = wall_now();

}  // namespace

WallTime even_now() { return began + (since_boot() - began_after); }

WallTime even_time(WallTime told, WallTime even_now, WallTime wall_now) {
  const Duration by_even = even_now - told;
  const Duration by_wall = wall_now - told;
  if (by_even >= Duration{0} && (by_wall < Duration{0} || by_even <= by_wall + worth)) return told;
  return even_now - std::max(by_wall, Duration{0});
}

}  // namespace impulse::delivery
