// The table of counters, made from counters.def.
#include "telemetry/counters.h"

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

}  // namespace impulse::telemetry
