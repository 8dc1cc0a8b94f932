// The table of counters, made from counters.def.
#include "telemetry/counters.h"

#include "base/text.h"

namespace impulse::telemetry {
namespace {

enum class Kind : bool { counter = false, gauge = true };

constexpr CounterDef defs[] = {
#define IMPULSE_COUNTER(identifier, name, kind, help) {name, Kind::kind == Kind::gauge, help},
#include "telemetry/counters.def"
#undef IMPULSE_COUNTER
};

}  // namespace

std::span<const CounterDef> counter_defs() { return defs; }

std::optional<Counter> find_counter(std::string_view name) {
  for (size_t i = 0; i < std::size(defs); ++i)
    if (iequals(defs[i].name, name)) return static_cast<Counter>(i);
  return std::nullopt;
}

int64_t Counters::shown(Counter counter) const {
  const Cell& cell = cells_[static_cast<size_t>(counter)];
  return cell.value.load(std::memory_order_relaxed) - cell.base.load(std::memory_order_relaxed);
}

void Counters::reset(Counter counter, WallTime now) {
  if (defs[static_cast<size_t>(counter)].gauge) return;
  Cell& cell = cells_[static_cast<size_t>(counter)];
  cell.base.store(cell.value.load(std::memory_order_relaxed), std::memory_order_relaxed);
  cell.reset_at.store(std::chrono::duration_cast<Duration>(now.time_since_epoch()).count(), std::memory_order_relaxed);
}

void Counters::reset(WallTime now) {
  for (size_t i = 0; i < std::size(defs); ++i) reset(static_cast<Counter>(i), now);
}

WallTime Counters::reset_at(Counter counter) const {
  return WallTime(Duration(cells_[static_cast<size_t>(counter)].reset_at.load(std::memory_order_relaxed)));
}

}  // namespace impulse::telemetry
