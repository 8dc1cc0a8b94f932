// Time, as everybody here writes it. Engines take the time as an argument;
// they never ask a clock themselves.
#pragma once

#include <chrono>

namespace impulse {

using Duration = std::chrono::microseconds;
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;  // UTC
using SteadyTime = std::chrono::steady_clock::time_point;

inline WallTime wall_now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}
inline SteadyTime steady_now() { return std::chrono::steady_clock::now(); }

}  // namespace impulse
