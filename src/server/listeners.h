// Listeners: which sockets listen, kept in step with the configuration. A
// Listen's identity is its endpoint: what stays keeps its descriptor, what is
// new listens before anything is published, what goes is drained (DESIGN §3).
#pragma once

#include "config/engine.h"
#include "control/system.h"
#include "server/service.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace impulse::server {

class Listeners : public config::Participant, private Reception {
 public:
  // Borrowed, outliving it. Mail connections are handed to `mail` on the loop
  // of the worker that was chosen, control connections to `control` on the main loop.
  Listeners(net::Loop& main, Loops& loops, telemetry::Log& log, telemetry::Counters& counters,
            std::function<void(Worker&, Incoming)> mail, std::function<void(Incoming)> control);
  ~Listeners() override;

  Result<> prepare(const config::SnapshotPtr& current, const config::SnapshotPtr& next) override;
  void abort() noexcept override;
  void apply(const config::SnapshotPtr& next) noexcept override;
  void finish() noexcept override;

  struct Bound {
    config::ScopeKind listener;
    Endpoint endpoint;
    uint64_t generation;  // that new clients work under
    uint64_t waiting;     // accepted, and not served by their loops yet
  };
  std::vector<Bound> bound() const;

  // `listener stop`, `start`, `restart`: see System::act_on_listens(). What was
  // stopped stays so over commits and reloads, until it is started, or its
  // Listen goes from the configuration.
  Result<std::vector<Endpoint>> act(control::ListenAct act, const control::ListenTarget& target);
  bool stopped(config::ScopeKind listener, const Endpoint& endpoint) const {
    return stopped_.contains({listener, endpoint});
  }
  // Called with each change, as it is logged. Main thread; at most once, before prepare().
  void on_event(std::function<void(std::string_view id, const Endpoint& endpoint)> event) { event_ = std::move(event); }
  void close_all();  // shut-down: stops accepting; who was waiting is served

 private:
  using Key = std::pair<Endpoint, bool>;  // endpoint, Reuse_Port
  using Services = std::map<Key, std::unique_ptr<Service>>;
  using Name = std::pair<config::ScopeKind, Endpoint>;

  // A Listen with what it asks for; no plan: it is disabled.
  struct Planned {
    std::shared_ptr<const config::ListenConf> conf;
    ServicePlanPtr plan;
  };
  class Pools;

  static Key key_of(const ServicePlan& plan) { return {plan.endpoint, plan.attributes.reuse_port}; }
  void plan(const config::Snapshot& next);
  bool serves(const Planned& planned) const;
  // Who serves the clients of a service that goes: one on the same endpoint
  // under another key, else one that overlaps it; null: nobody.
  const Service* heir_of(const Service& service) const;
  void end_retired();
  std::vector<const config::ListenConf*> matching(const control::ListenTarget& target) const;
  Result<> follow();  // the snapshot that is in force, anew
  Result<> may_stop(const std::vector<const config::ListenConf*>& listens) const;
  void tell(std::string_view id, const Endpoint& endpoint);

  // Reception
  void hand_over(const std::vector<Worker*>& workers, Incoming incoming) override;
  net::Loop& main() override { return main_; }
  void trouble(const Endpoint& endpoint, std::string_view what) override;

  net::Loop& main_;
  Loops& loops_;
  telemetry::Log& log_;
  telemetry::Counters& counters_;
  std::function<void(Worker&, Incoming)> mail_;
  std::function<void(Incoming)> control_;

  // Descriptors are given out lowest first: from this one on mail clients are
  // turned away, so that spool, delivery and console always have some left.
  const int first_reserved_;
  std::atomic<int64_t> told_{0};  // when that was logged last, seconds of the steady clock

  config::SnapshotPtr snapshot_;  // applied last
  std::vector<Planned> planned_;  // by plan(), in the order of Snapshot::listens()
  Services services_;             // serving now
  Services acquired_;             // by prepare: listening, not armed
  // Replaced by an overlapping one; they take the handshakes that were under
  // way when it came, for a short while.
  Services retired_;
  net::Timer grace_;

  std::set<Name> stopped_;    // by the console
  std::set<Name> rebinding_;  // while restart is under way
  std::function<void(std::string_view, const Endpoint&)> event_;
};

}  // namespace impulse::server
