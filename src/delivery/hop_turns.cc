// Limits. Of the domains that share a hop the least one counts, while they have
// something to send. Of all connections of the server, and of those of a Binding, there are
// Server_Max_Outbound_Connections, and hops share what there is. One that has work and no connection at all is
// starving: it gets the next connection that is free before others get one
// more, and they end some of theirs for it, although they have work: those that
// rest, those of hops with several, and any that has carried its fair share.
#include "delivery/hop_impl.h"

#include <algorithm>
#include <utility>

namespace impulse::delivery {
namespace {

// Messages that a connection carries before it counts as one that was had long
// enough. So that with always more hops than connections making them does not
// become the greater part of the work.
constexpr uint64_t fair_share = 20;

}  // namespace

// True when it is new.
bool Hop::add_wanted(const std::string& domain, const RoutePtr& route) {
  const auto [found, added] = wanted_.try_emplace(domain, route);
  if (!added) {
    if (found->second == route) return false;
    count_limits(*found->second, false);
    found->second = route;
  }
  count_limits(*route, true);
  return added;
}

void Hop::drop_wanted(const std::string& domain) {
  const auto found = wanted_.find(domain);
  if (found == wanted_.end()) return;
  count_limits(*found->second, false);
  wanted_.erase(found);
}

std::deque<std::string> Hop::drop_all_wanted() {
  wanted_.clear();
  connection_limits_.clear();
  delivery_limits_.clear();
  return std::exchange(wanting_, {});
}

void Hop::count_limits(const Route& route, bool more) {
  const auto count = [more](std::map<uint64_t, size_t>& limits, uint64_t limit) {
    const auto found = limits.try_emplace(limit, 0).first;
    found->second = more ? found->second + 1 : found->second - 1;
    if (found->second == 0) limits.erase(found);
  };
  count(connection_limits_, route.max_connections);
  if (route.max_deliveries > 0) count(delivery_limits_, route.max_deliveries);
}

uint64_t Hop::most_connections() const {
  return connection_limits_.empty() ? route_->max_connections : connection_limits_.begin()->first;
}

// Whether there are so many messages that may go now. Domains that may send none
// stand in line for it, and come back.
bool Hop::work_for(uint64_t connections) {
  uint64_t found = 0;
  for (auto domain = wanting_.begin(); domain != wanting_.end() && found < connections;) {
    const RoutePtr& route = wanted_.at(*domain);
    if (office_.throttles.ready(Throttles::Of::messages, *domain, route)) {
      found += office_.throttles.room(Throttles::Of::messages, *domain, route, office_.queue.active(*domain));
      ++domain;
    } else {
      drop_wanted(*domain);
      domain = wanting_.erase(domain);
    }
  }
  return found >= connections;
}

// Null: none of them, and they stand in line for it.
const std::string* Hop::who_may_connect() {
  if (throttled_) return nullptr;
  for (const std::string& domain : wanting_)
    if (office_.throttles.ready(Throttles::Of::connections, domain, wanted_.at(domain))) return &domain;
  throttled_ = true;
  return nullptr;
}

// Also by the limit of what it carried last.
bool Hop::carried_enough(const Entry& entry) const {
  uint64_t most = delivery_limits_.empty() ? UINT64_MAX : delivery_limits_.begin()->first;
  if (entry.route && entry.route->max_deliveries > 0) most = std::min(most, entry.route->max_deliveries);
  return entry.courier->jobs() >= most;
}

// Of what there may be no more now; null: of neither. Where all of the Binding's are in use, only its own hops can
// help.
Slots* Hop::lacking() const {
  const auto full = [this](const Slots& slots, size_t most) {
    // The others' are kept for them. Who comes new stands behind them.
    const size_t kept = slots.starving.contains(this) ? 0 : slots.starving.size();
    return slots.connections + kept >= most;
  };
  // The server's limit again, where the Binding says none of its own, is the server's alone.
  const size_t of_binding = route_->binding_max_connections;
  if (of_binding < office_.most_connections && full(slots_, of_binding)) return &slots_;
  return full(office_.slots, office_.most_connections) ? &office_.slots : nullptr;
}

// True: no more now; we are pumped again when that may have changed.
bool Hop::none_is_free() {
  Slots* const none = lacking();
  for (Slots* slots : {&slots_, &office_.slots})
    if (slots != none) slots->starving.erase(this);
  if (none == nullptr) return false;
  office_.short_of_connections = none->short_of = true;
  waits_ = true;
  if (established_ + openings_ == 0 && none->starving.insert(this).second) office_.make_room();
  return true;
}

void Hop::take_slot() {
  ++openings_;
  ++slots_.connections;
  ++office_.slots.connections;
  starve_no_more();
}

void Hop::starve_no_more() {
  slots_.starving.erase(this);
  office_.slots.starving.erase(this);
}

// Of what others starve for, and get too little; null: of neither.
Slots* Hop::claimed() const {
  for (Slots* slots : {&slots_, &office_.slots})
    if (slots->starving.size() > slots->yielding) return slots;
  return nullptr;
}

bool Hop::yields(const Courier& courier) const {
  if (courier.jobs() == 0 || claimed() == nullptr) return false;
  return established_ > yielding_ + 1 || courier.jobs() >= fair_share;
}

// For those that claimed() names.
void Hop::yield(Entry& entry) {
  entry.yields = claimed();
  ++yielding_;
  ++entry.yields->yielding;
  entry.courier->quit();
}

void Hop::make_room() {
  for (auto& [number, entry] : entries_) {
    if (claimed() == nullptr) return;
    if (entry->courier->resting()) yield(*entry);
  }
}

}  // namespace impulse::delivery
