// Limits: how many mail sessions there are on a Listen, on all listeners of a
// kind, and from an address, and how often an address comes. A session has a
// Place for as long as it lives; who gets none is turned away. A tenant's
// clients are counted apart from all others, but on a Listen.
//
// Values are looked at when somebody comes, and are those of that client's
// scope: a lowered limit turns the next one away, and ends nobody's session.
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/ip.h"
#include "config/snapshot.h"
#include "server/rate_window.h"
#include "smtp/server_session.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace impulse::server {

// 0 everywhere: no limit.
struct SessionLimits {
  uint64_t listener = 0;  // Listener_Sessions
  uint64_t service = 0;   // Service_Sessions
  uint64_t peer = 0;      // Peer_Sessions
  config::Rate rate{};    // Connection_Rate
};
SessionLimits session_limits(const config::Options& options);

// Any thread. Addresses are spread over shards, each behind a lock of its own,
// held for one look-up. IPv6 counts by /64: any host has all of it to choose from.
class Limits {
 public:
  // Addresses without a session that are remembered for their Connection_Rate;
  // beyond that the ones that left first are forgotten.
  static constexpr size_t most_idle = 65536;

  Limits();
  ~Limits();
  Limits(const Limits&) = delete;
  Limits& operator=(const Limits&) = delete;

  // One client, for all that counts by address.
  struct Visitor {
    IpAddress address;  // of IPv6 its /64
    std::string tenant;
    friend bool operator==(const Visitor&, const Visitor&) = default;
  };

  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;
    ~Place();

   private:
    friend class Limits;
    using Gauge = std::atomic<uint64_t>;
    void leave();
    Limits* limits_ = nullptr;  // null: it holds nothing
    config::ScopeKind listener_ = config::ScopeKind::esmtp_listener;
    std::shared_ptr<Gauge> service_;
    std::shared_ptr<Gauge> listen_;
    Visitor visitor_;
  };

  // A place, or what to say to the client: 421 4.3.2, for its rate 421 4.7.0.
  // `tenant`: whose client it is; empty: nobody's.
  std::expected<Place, smtp::HostRefusal> enter(const SessionLimits& limits, config::ScopeKind listener,
                                                const Endpoint& listen, const IpAddress& client, SteadyTime now,
                                                std::string_view tenant = {});
  // The session is another client's from now on (XCLIENT): it has a place among
  // that one's, at the same Listen, and no more among those of who it was; or,
  // where nothing changes, why not. An address that is the same counts once.
  std::optional<smtp::HostRefusal> become(Place& place, const SessionLimits& limits, const IpAddress& client,
                                          SteadyTime now, std::string_view tenant = {});
  // The session is served by another Listen from now on.
  void move(Place& place, const Endpoint& listen);

  size_t idle() const;  // addresses remembered without a session

 private:
  using Gauge = Place::Gauge;
  struct Shard;
  static constexpr size_t shard_count = 64;

  struct VisitorHash {
    size_t operator()(const Visitor& visitor) const {
      return std::hash<IpAddress>()(visitor.address) ^ std::hash<std::string>()(visitor.tenant) * 3;
    }
  };

  // Of all Listens, or tenants, that were served once; those with nobody on them
  // go when there are many.
  static constexpr size_t first_sweep = 1024;
  template <class Key>
  struct Gauges {
    std::shared_mutex mutex;  // guards the map, not what it points to
    std::map<std::pair<config::ScopeKind, Key>, std::shared_ptr<Gauge>> gauges;
    size_t next_sweep = first_sweep;  // of gauges with nobody on them, at this many
    std::shared_ptr<Gauge> at(config::ScopeKind listener, const Key& key);
  };
  Shard& shard(const Visitor& visitor) const;

  std::array<std::unique_ptr<Shard>, shard_count> shards_;
  Gauges<std::string> services_;  // by tenant
  Gauges<Endpoint> listens_;
};

}  // namespace impulse::server
