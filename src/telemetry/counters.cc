// The table of counters, made from counters.def.
#include "telemetry/counters.h"

#include "base/text.h"

#include <mutex>

namespace impulse::telemetry {
namespace {

enum class Kind : uint8_t { counter, gauge, tenant_counter, tenant_gauge, refusal };

constexpr CounterDef defs[] = {
#define IMPULSE_COUNTER(identifier, name, kind, help)                                                \
  {name, Kind::kind == Kind::gauge || Kind::kind == Kind::tenant_gauge, Kind::kind == Kind::refusal, \
   Kind::kind >= Kind::tenant_counter, help},
#include "telemetry/counters.def"
#undef IMPULSE_COUNTER
};

constexpr std::string_view refused = "refused_";
constexpr size_t refusals = [] {
  size_t count = 0;
  for (const CounterDef& def : defs) count += def.refusal;
  return count;
}();
constexpr size_t first_refusal = [] {
  size_t at = 0;
  while (!defs[at].refusal) ++at;
  return at;
}();
// They stand together, and are called so.
static_assert([] {
  for (size_t i = 0; i < refusals; ++i)
    if (!defs[first_refusal + i].refusal || !defs[first_refusal + i].name.starts_with(refused)) return false;
  return true;
}());

}  // namespace

std::span<const CounterDef> counter_defs() { return defs; }

std::span<const Counter> binding_counters() {
  static constexpr std::array counted{
      Counter::messages_received, Counter::recipients_received,  Counter::bytes_received,
      Counter::deliveries,        Counter::transient_failures,   Counter::permanent_failures,
      Counter::queued_recipients, Counter::outbound_connections, Counter::outbound_open};
  return counted;
}

std::optional<Counter> find_counter(std::string_view name) {
  for (size_t i = 0; i < std::size(defs); ++i)
    if (iequals(defs[i].name, name)) return static_cast<Counter>(i);
  return std::nullopt;
}

Counter refusal_counter(std::string_view cause) {
  for (size_t i = first_refusal; i < first_refusal + refusals; ++i)
    if (defs[i].name.substr(refused.size()) == cause) return static_cast<Counter>(i);
  return Counter::refused_other;
}

Counters::Counters() = default;

int64_t Counters::Scope::shown(Counter counter) const {
  return value(counter) - cells_[static_cast<size_t>(counter)].base.load(std::memory_order_relaxed);
}

Counters::Scope& Counters::scope_in(Scopes& scopes, std::string_view name) {
  {
    const std::shared_lock lock(scopes_mutex_);
    if (const auto at = scopes.find(name); at != scopes.end()) return *at->second;
  }
  auto made = std::make_unique<Scope>();
  const std::lock_guard lock(scopes_mutex_);
  return *scopes.try_emplace(std::string(name), std::move(made)).first->second;
}

Counters::Scope& Counters::scope(std::string_view name) { return scope_in(scopes_, name); }
Counters::Scope& Counters::binding(std::string_view name) { return scope_in(bindings_, name); }

Counters::Scope* Counters::tenant(std::string_view name) {
  return name.empty() ? nullptr : &scope(std::string(tenant_scope).append(name));
}

void Counters::refused(Scope& scope, Counter counter) {
  add(counter);
  scope.add(counter);
}

void Counters::each_scope(const std::function<void(const std::string& name, const Scope& scope)>& visit) const {
  const std::shared_lock lock(scopes_mutex_);
  for (const auto& [name, scope] : scopes_) visit(name, *scope);
}

void Counters::each_binding(const std::function<void(const std::string& name, const Scope& scope)>& visit) const {
  const std::shared_lock lock(scopes_mutex_);
  for (const auto& [name, scope] : bindings_) visit(name, *scope);
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
  const std::shared_lock lock(scopes_mutex_);
  for (const Scopes* scopes : {&scopes_, &bindings_})
    for (const auto& [name, scope] : *scopes) {
      Scope::Cell& part = scope->cells_[static_cast<size_t>(counter)];
      part.base.store(part.value.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
}

void Counters::reset(WallTime now) {
  for (size_t i = 0; i < std::size(defs); ++i) reset(static_cast<Counter>(i), now);
}

WallTime Counters::reset_at(Counter counter) const {
  return WallTime(Duration(cells_[static_cast<size_t>(counter)].reset_at.load(std::memory_order_relaxed)));
}

}  // namespace impulse::telemetry
