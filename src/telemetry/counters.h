// Counters: one atomic number a row of counters.def. Any thread; relaxed.
//
// A counter only grows, for whoever collects it from outside. What people are
// shown may begin anew at a reset: reset() remembers where, and shown() counts
// from there. Gauges know no reset.
#pragma once

#include "base/clock.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace impulse::telemetry {

enum class Counter : uint16_t {
#define IMPULSE_COUNTER(identifier, name, kind, help) identifier,
#include "telemetry/counters.def"
#undef IMPULSE_COUNTER
  count_
};

struct CounterDef {
  std::string_view name;
  bool gauge;  // goes up and down
  std::string_view help;
};
std::span<const CounterDef> counter_defs();                  // by Counter's value
std::optional<Counter> find_counter(std::string_view name);  // case folded

class Counters {
 public:
  void add(Counter counter, int64_t amount = 1) {
    cells_[static_cast<size_t>(counter)].value.fetch_add(amount, std::memory_order_relaxed);
  }
  int64_t value(Counter counter) const {
    return cells_[static_cast<size_t>(counter)].value.load(std::memory_order_relaxed);
  }
  // Since the last reset; a gauge as it is.
  int64_t shown(Counter counter) const;
  void reset(Counter counter, WallTime now);
  // Of all that are no gauges.
  void reset(WallTime now);
  // When that counter was reset last; the epoch: never.
  WallTime reset_at(Counter counter) const;

 private:
  // A cache line each: neighbours in the table do not disturb one another.
  struct alignas(64) Cell {
    std::atomic<int64_t> value{0};
    std::atomic<int64_t> base{0};      // the value at the last reset
    std::atomic<int64_t> reset_at{0};  // microseconds since the epoch
  };
  std::array<Cell, static_cast<size_t>(Counter::count_)> cells_;
};

}  // namespace impulse::telemetry
