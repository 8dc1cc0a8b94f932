// Random: numbers for one message, by the run's seed and the message's index.
// So a run can be repeated, whichever connection takes which message.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace impulse::ecinject {

class Random {  // splitmix64
 public:
  Random(uint64_t seed, uint64_t index) : state_(mix(seed) ^ mix(~index)) {}

  uint64_t next() { return mix(state_ += 0x9E3779B97F4A7C15U); }
  // 0 to bound - 1; bound above 0 (and so far below 2^64 that no remainder is favoured).
  uint64_t below(uint64_t bound) { return next() % bound; }
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // [0, 1)
  double normal() {                                                        // mean 0, deviation 1 (Box and Muller)
    const double radius = std::sqrt(-2 * std::log(1 - unit()));
    return radius * std::cos(2 * std::numbers::pi * unit());
  }

 private:
  static uint64_t mix(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31);
  }
  uint64_t state_;
};

}  // namespace impulse::ecinject
