// Router: the way of a domain's mail, as the configuration and the DNS have it
// now. Looks up what has to be, remembers it as long as it is good, and makes
// one Route of all domains that go to the same hosts. Loop thread.
#pragma once

#include "base/text.h"
#include "config/snapshot.h"
#include "delivery/ledger.h"
#include "delivery/route.h"
#include "delivery/route_view.h"
#include "delivery/ways.h"
#include "dns/resolver.h"
#include "net/loop.h"
#include "telemetry/log.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace impulse::delivery {

class Router {
 public:
  using Snapshots = std::function<config::SnapshotPtr()>;
  // `look_again` is told queues' names (queue/name.h) whose way has become
  // known, or has to be looked up anew; from the loop, later.
  Router(net::Loop& loop, telemetry::Log& log, Snapshots snapshot,
         std::function<void(const std::string& queue)> look_again);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  dns::Resolver& resolver() { return resolver_; }

  // The route under the current configuration, with its hosts where they are
  // known. Always one, whatever is known.
  RoutePtr route(std::string_view queue);

  struct Way {
    RoutePtr route;                    // null: not known
    std::optional<Outcome> failure{};  // there is none; neither of both: being looked up, `look_again` follows
    bool news = false;                 // that failure was not returned before: for a line in the log
  };
  // Begins to look up what has to be.
  Way find(const std::string& queue);

  // The configuration changed, or Resolv_Conf may have.
  void reconfigured();

  // Here `domain` is a queue's name without a tenant. Looks nothing up.
  RouteView view(std::string_view domain);
  // Looks the domain up (again), whatever is remembered; "" everything that is
  // remembered. How many domains those were. A domain stands for itself by every Binding.
  size_t refresh(const std::string& domain);

 private:
  struct Entry {
    RoutePtr base;   // what the configuration said
    RoutePtr route;  // with hosts; null: failure
    std::optional<Outcome> failure;
    SteadyTime until{};
    SteadyTime stale_until{};  // the hosts are used for so long when nobody can say better
    bool pending = false;
    bool told = false;                        // that it is over
    bool failure_told = false;                // in Way::news
    std::unordered_set<std::string> waiting;  // queues
  };
  struct Look;

  RoutePtr configured(std::string_view name);
  void tell_of_gone(const config::SnapshotPtr& snapshot, std::string_view binding);
  void read_conf();
  void start(const std::string& name, Entry& entry, const RoutePtr& base);
  void came(const std::shared_ptr<Look>& look);
  void take(Look& look, Ways& ways, size_t place);
  void finish(Entry& entry);
  RoutePtr shared(const RoutePtr& base, std::vector<Gateway> gateways);
  void make_room();

  net::Loop& loop_;
  telemetry::Log& log_;
  const Snapshots snapshot_;
  const std::function<void(const std::string& queue)> look_again_;
  dns::Resolver resolver_;
  SteadyTime next_read_{};
  std::string conf_problem_;
  std::unordered_map<std::string, Entry> entries_;  // by the queue's name in lower case, without a tenant
  // Bindings as they are spelled, of that snapshot: what operators type may differ in case.
  config::SnapshotPtr named_by_;
  std::map<std::string, std::string, ILess> names_;
  std::set<std::string, ILess> gone_;  // told of
  // Routes in use, by what they were made of and the hop.
  std::map<std::pair<const Route*, std::string>, std::weak_ptr<const Route>> made_;
  size_t made_limit_ = 1000;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace impulse::delivery
