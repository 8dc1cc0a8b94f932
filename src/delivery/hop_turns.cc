// Limits. Of the domains that share a hop the least one counts, while they have
// something to send. Of all connections together there are
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

// True: no more now; we are pumped again when that may have changed.
bool Hop::server_is_full() {
  const bool starving = office_.starving.contains(this);
  // The others' are kept for them. Who comes new stands behind them.
  const size_t kept = starving ? 0 : office_.starving.size();
  if (office_.connections + kept < route_->server_max_connections) return false;
  office_.short_of_connections = true;
  waits_ = true;
  if (!starving && established_ + openings_ == 0) {
    office_.starving.insert(this);
    office_.make_room();
  }
  return true;
}

bool Hop::yields(const Courier& courier) const {
  if (office_.starving.size() <= office_.yielding || courier.jobs() == 0) return false;
  return established_ > yielding_ + 1 || courier.jobs() >= fair_share;
}

void Hop::yield(Entry& entry) {
  entry.yields = true;
  ++yielding_;
  ++office_.yielding;
  entry.courier->quit();
}

void Hop::make_room() {
  for (auto& [number, entry] : entries_) {
    if (office_.starving.size() <= office_.yielding) return;
    if (entry->courier->resting()) yield(*entry);
  }
}

}  // namespace impulse::delivery
