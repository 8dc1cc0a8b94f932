// Counters: one atomic number a row of counters.def. Any thread; relaxed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
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
std::span<const CounterDef> counter_defs();  // by Counter's value

class Counters {
 public:
  void add(Counter counter, int64_t amount = 1) {
    cells_[static_cast<size_t>(counter)].value.fetch_add(amount, std::memory_order_relaxed);
  }
  int64_t value(Counter counter) const {
    return cells_[static_cast<size_t>(counter)].value.load(std::memory_order_relaxed);
  }

 private:
  // A cache line each: neighbours in the table do not disturb one another.
  struct alignas(64) Cell {
    std::atomic<int64_t> value{0};
  };
  std::array<Cell, static_cast<size_t>(Counter::count_)> cells_;
};

}  // namespace impulse::telemetry
