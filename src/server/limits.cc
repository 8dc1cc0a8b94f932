#include "server/limits.h"

#include "config/keys.h"

#include <algorithm>
#include <utility>

namespace impulse::server {

namespace key = config::key;

namespace {

bool raise_within(std::atomic<uint64_t>& gauge, uint64_t limit) {
  uint64_t now = gauge.load(std::memory_order_relaxed);
  do {
    if (limit != 0 && now >= limit) return false;
  } while (!gauge.compare_exchange_weak(now, now + 1, std::memory_order_relaxed));
  return true;
}

void lower(std::atomic<uint64_t>& gauge) { gauge.fetch_sub(1, std::memory_order_relaxed); }

// One client, for all who count by address.
IpAddress counted_as(const IpAddress& client) { return client.is_v4() ? client : IpPrefix(client, 64).address(); }

uint64_t limit_of(int64_t value) { return value > 0 ? static_cast<uint64_t>(value) : 0; }

smtp::HostRefusal refusal(std::string_view enhanced, std::string_view cause, std::string text) {
  return {421, enhanced, cause, std::move(text)};
}

smtp::HostRefusal too_many_on_service() {
  return refusal("4.3.2", "service_sessions", "Too many sessions, try again later");
}

}  // namespace

struct Limits::Shard {
  struct Peer {
    uint64_t sessions = 0;
    RateWindow rate;
    Duration per{0};                  // of the rate
    std::list<Visitor>::iterator at;  // in `idle`, when it has no session
  };
  std::mutex mutex;  // guards what follows
  std::unordered_map<Visitor, Peer, VisitorHash> peers;
  std::list<Visitor> idle;  // who left first stands in front

  void forget_idle(SteadyTime now) {
    // Two at each coming and going: more than come in.
    for (int i = 0; i < 2 && !idle.empty(); ++i) {
      const auto at = peers.find(idle.front());
      if (idle.size() <= most_idle / shard_count && !at->second.rate.over(at->second.per, now)) return;
      peers.erase(at);
      idle.pop_front();
    }
  }

  // Why nobody may be added now.
  std::optional<smtp::HostRefusal> full(const Visitor& visitor, const SessionLimits& limits, SteadyTime now) {
    const auto at = peers.find(visitor);
    if (at == peers.end()) return std::nullopt;
    if (limits.peer != 0 && at->second.sessions >= limits.peer)
      return refusal("4.3.2", "peer_sessions", "Too many sessions from your address");
    if (at->second.rate.full(limits.rate, now))
      return refusal("4.7.0", "connection_rate", "Too many connections from your address, try again later");
    return std::nullopt;
  }
  void add(const Visitor& visitor, const SessionLimits& limits, SteadyTime now) {
    const auto [at, fresh] = peers.try_emplace(visitor);
    Peer& peer = at->second;
    if (!fresh && peer.sessions == 0) idle.erase(peer.at);
    ++peer.sessions;
    peer.rate.take(limits.rate, now);
    if (limits.rate.count > 0) peer.per = limits.rate.per;
  }
  void remove(const Visitor& visitor, SteadyTime now) {
    const auto at = peers.find(visitor);
    if (--at->second.sessions > 0) return;
    if (at->second.rate.over(at->second.per, now)) {
      peers.erase(at);
      return;
    }
    idle.push_back(visitor);
    at->second.at = std::prev(idle.end());
    forget_idle(now);
  }
};

SessionLimits session_limits(const config::Options& options) {
  return {limit_of(options[key::listener_sessions]), limit_of(options[key::service_sessions]),
          limit_of(options[key::peer_sessions]), options[key::connection_rate]};
}

Limits::Limits() {
  for (auto& shard : shards_) shard = std::make_unique<Shard>();
}

Limits::~Limits() = default;

Limits::Shard& Limits::shard(const Visitor& visitor) const {
  // The map uses the low bits of the same hash.
  return *shards_[(VisitorHash()(visitor) >> 32) % shard_count];
}

template <class Key>
std::shared_ptr<Limits::Gauge> Limits::Gauges<Key>::at(config::ScopeKind listener, const Key& key) {
  const std::pair name(listener, key);
  {
    const std::shared_lock lock(mutex);
    if (const auto found = gauges.find(name); found != gauges.end()) return found->second;
  }
  const std::lock_guard lock(mutex);
  // Under the lock nobody takes a gauge out: one that is only ours stays so.
  if (gauges.size() >= next_sweep) {
    std::erase_if(gauges, [](const auto& entry) { return entry.second.use_count() == 1; });
    next_sweep = std::max(first_sweep, 2 * gauges.size());
  }
  auto& gauge = gauges[name];
  if (!gauge) gauge = std::make_shared<Gauge>(0);
  return gauge;
}

std::expected<Limits::Place, smtp::HostRefusal> Limits::enter(const SessionLimits& limits, config::ScopeKind listener,
                                                              const Endpoint& listen, const IpAddress& client,
                                                              SteadyTime now, std::string_view tenant) {
  Place place;
  place.listener_ = listener;
  place.visitor_ = {counted_as(client), std::string(tenant)};
  place.service_ = services_.at(listener, place.visitor_.tenant);
  place.listen_ = listens_.at(listener, listen);

  Shard& part = shard(place.visitor_);
  const std::lock_guard lock(part.mutex);
  part.forget_idle(now);
  if (auto full = part.full(place.visitor_, limits, now)) return std::unexpected(std::move(*full));
  if (!raise_within(*place.service_, limits.service)) return std::unexpected(too_many_on_service());
  if (!raise_within(*place.listen_, limits.listener)) {
    lower(*place.service_);
    return std::unexpected(refusal("4.3.2", "listener_sessions", "Too many sessions here, try again later"));
  }
  part.add(place.visitor_, limits, now);
  place.limits_ = this;
  return place;
}

std::optional<smtp::HostRefusal> Limits::become(Place& place, const SessionLimits& limits, const IpAddress& client,
                                                SteadyTime now, std::string_view tenant) {
  if (place.limits_ == nullptr) return std::nullopt;
  Visitor visitor{counted_as(client), std::string(tenant)};
  if (visitor == place.visitor_) return std::nullopt;
  auto service = services_.at(place.listener_, visitor.tenant);
  const bool elsewhere = service != place.service_;
  {
    Shard& part = shard(visitor);
    const std::lock_guard lock(part.mutex);
    part.forget_idle(now);
    if (auto full = part.full(visitor, limits, now)) return full;
    if (elsewhere && !raise_within(*service, limits.service)) return too_many_on_service();
    part.add(visitor, limits, now);
  }
  if (elsewhere) lower(*std::exchange(place.service_, std::move(service)));
  const Visitor before = std::exchange(place.visitor_, std::move(visitor));
  Shard& left = shard(before);
  const std::lock_guard lock(left.mutex);
  left.remove(before, now);
  return std::nullopt;
}

void Limits::move(Place& place, const Endpoint& listen) {
  if (place.limits_ == nullptr) return;
  auto gauge = listens_.at(place.listener_, listen);
  if (gauge == place.listen_) return;
  gauge->fetch_add(1, std::memory_order_relaxed);
  lower(*place.listen_);
  place.listen_ = std::move(gauge);
}

size_t Limits::idle() const {
  size_t count = 0;
  for (const auto& part : shards_) {
    const std::lock_guard lock(part->mutex);
    count += part->idle.size();
  }
  return count;
}

void Limits::Place::leave() {
  Limits* const limits = std::exchange(limits_, nullptr);
  if (limits == nullptr) return;
  lower(*service_);
  lower(*listen_);
  service_.reset();
  listen_.reset();
  Shard& part = limits->shard(visitor_);
  const SteadyTime now = steady_now();
  const std::lock_guard lock(part.mutex);
  part.remove(visitor_, now);
}

Limits::Place::Place(Place&& other) noexcept { *this = std::move(other); }

Limits::Place& Limits::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  leave();
  limits_ = std::exchange(other.limits_, nullptr);
  listener_ = other.listener_;
  service_ = std::move(other.service_);
  listen_ = std::move(other.listen_);
  visitor_ = std::move(other.visitor_);
  return *this;
}

Limits::Place::~Place() { leave(); }

}  // namespace impulse::server
