// Counters: one atomic number a row of counters.def. Any thread; relaxed.
//
// A counter only grows, for whoever collects it from outside. What people are
// shown may begin anew at a reset: reset() remembers where, and shown() counts
// from there. Gauges know no reset.
//
// Refusals are counted for all, and for the scope (a Listen) that they happened
// on. What a tenant's clients and its mail do is counted for that tenant, too; what
// becomes of mail also for the Binding by which it goes (binding_counters).
#pragma once

#include "base/clock.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
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
  bool gauge;    // goes up and down
  bool refusal;  // kept for each Listen too
  bool tenant;   // kept for each Tenant too
  std::string_view help;
};
std::span<const CounterDef> counter_defs();                  // by Counter's value
std::optional<Counter> find_counter(std::string_view name);  // case folded

// That of a cause (smtp::Refusal): "relay" is refused_relay; refused_other for one that has none.
Counter refusal_counter(std::string_view cause);

// What is counted for each Binding.
std::span<const Counter> binding_counters();

// What the scopes of tenants are called, before the tenant's name.
constexpr std::string_view tenant_scope = "Tenant ";

class Counters {
 public:
  // What was counted in one scope. Lives as long as the counters; there are as
  // many as the configuration had Listens and Tenants.
  class Scope {
   public:
    void add(Counter counter, int64_t amount = 1) {  // here alone
      cells_[static_cast<size_t>(counter)].value.fetch_add(amount, std::memory_order_relaxed);
    }
    int64_t value(Counter counter) const {
      return cells_[static_cast<size_t>(counter)].value.load(std::memory_order_relaxed);
    }
    int64_t shown(Counter counter) const;  // since the last reset; a gauge as it is

   private:
    friend class Counters;
    struct Cell {
      std::atomic<int64_t> value{0};
      std::atomic<int64_t> base{0};
    };
    std::array<Cell, static_cast<size_t>(Counter::count_)> cells_;
  };

  Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

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

  // Made where there is none of that name: "ESMTP_Listener *:25". Whoever
  // refuses often keeps it.
  Scope& scope(std::string_view name);
  // That of a tenant, "Tenant blue"; null: of none.
  Scope* tenant(std::string_view name);
  // That of a Binding; visited by each_binding() alone.
  Scope& binding(std::string_view name);
  void each_binding(const std::function<void(const std::string& name, const Scope& scope)>& visit) const;  // by name
  // For all, and for a tenant where there is one.
  void add(Scope* tenant, Counter counter, int64_t amount = 1) {
    add(counter, amount);
    if (tenant != nullptr) tenant->add(counter, amount);
  }
  // In both; `counter` is a refusal.
  void refused(Scope& scope, Counter counter);
  void each_scope(const std::function<void(const std::string& name, const Scope& scope)>& visit) const;  // by name

 private:
  // A cache line each: neighbours in the table do not disturb one another.
  struct alignas(64) Cell {
    std::atomic<int64_t> value{0};
    std::atomic<int64_t> base{0};      // the value at the last reset
    std::atomic<int64_t> reset_at{0};  // microseconds since the epoch
  };
  std::array<Cell, static_cast<size_t>(Counter::count_)> cells_;
  mutable std::shared_mutex scopes_mutex_;  // guards the maps, not what is in it
  using Scopes = std::map<std::string, std::unique_ptr<Scope>, std::less<>>;
  Scope& scope_in(Scopes& scopes, std::string_view name);
  Scopes scopes_, bindings_;
};

}  // namespace impulse::telemetry
