// Throttles: Outbound_Throttle_Messages and Outbound_Throttle_Connections. There
// is one throttle for each scope that sets the option, for each tenant: all
// domains that fall back on it share it, in turn. Domains that have to wait
// stand in line, and one timer a throttle wakes those at its head. Who cannot make
// use of its turn at once (its host greets slowly, or it has to wait for another
// throttle) does not lose it, and may go later on credit. Loop thread.
#pragma once

#include "config/snapshot.h"
#include "delivery/route.h"
#include "delivery/token_bucket.h"
#include "net/loop.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

namespace impulse::delivery {

// What a domain waits for, for people.
struct Throttled {
  std::string option;  // "Outbound_Throttle_Messages"
  std::string rate;    // "10/3600"
  std::string scope;   // that sets it: "Domain example.com", "global"
  Duration wait{0};    // until there is one to be had; others may be before this domain
};

class Throttles {
 public:
  enum class Of : uint8_t { messages, connections };
  using Snapshots = std::function<config::SnapshotPtr()>;

  // `look_again` is told domains (queues' names) that may go on; from the loop.
  // `waits`: whether a domain has something to send; of others nothing is kept.
  Throttles(net::Loop& loop, Snapshots snapshot, std::function<void(const std::string& domain)> look_again,
            std::function<bool(const std::string& domain)> waits, std::function<SteadyTime()> clock = steady_now);
  ~Throttles();
  Throttles(const Throttles&) = delete;
  Throttles& operator=(const Throttles&) = delete;

  // Whether one may go now. If not, the domain stands in line, and `look_again`
  // follows. `route` is the domain's.
  bool ready(Of of, const std::string& domain, const RoutePtr& route);
  // The same, and it goes.
  bool take(Of of, const std::string& domain, const RoutePtr& route);
  // One goes in any case; later ones wait for longer.
  void charge(Of of, const std::string& domain, const RoutePtr& route);
  // What was taken did not happen.
  void give_back(Of of, const std::string& domain, const RoutePtr& route);
  // How many of so many could go now.
  uint64_t room(Of of, const std::string& domain, const RoutePtr& route, uint64_t wanted);

  std::optional<Throttled> waiting(std::string_view domain, const RoutePtr& route);
  // Forgets those that might as well be new; every ten seconds at most, however often it is called.
  void tidy();
  size_t size() const { return throttles_.size(); }

 private:
  struct Throttle;
  using Name = std::tuple<Of, std::string, std::string>;  // tenant and scope
  struct Known {
    std::weak_ptr<const Route> route;  // still the one that had that address
    std::string scope[2];
  };

  Throttle* find(Of of, std::string_view domain, const RoutePtr& route);
  const std::string& scope_of(Of of, std::string_view domain, const RoutePtr& route);
  bool may(Throttle& throttle, const std::string& domain, uint64_t available);
  void arm(Throttle& throttle);
  void wake(Throttle& throttle);
  void pass_over(Throttle& throttle);

  net::Loop& loop_;
  const Snapshots snapshot_;
  const std::function<void(const std::string& domain)> look_again_;
  const std::function<bool(const std::string& domain)> waits_;
  const std::function<SteadyTime()> clock_;
  std::map<Name, std::unique_ptr<Throttle>> throttles_;
  std::unordered_map<const Route*, Known> known_;
  size_t known_limit_ = 1000;
  SteadyTime next_tidy_{};
};

}  // namespace impulse::delivery
