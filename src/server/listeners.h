// Listeners: which sockets listen, kept in step with the configuration. A
// Listen's identity is its endpoint: what stays keeps its descriptor, what is
// new listens before anything is published, what goes is drained (DESIGN §3).
#pragma once

#include "config/engine.h"
#include "server/service.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
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
  };
  std::vector<Bound> bound() const;
  void close_all();  // shut-down: stops accepting; who was waiting is served

 private:
  using Key = std::pair<Endpoint, bool>;  // endpoint, Reuse_Port
  using Services = std::map<Key, std::unique_ptr<Service>>;

  std::map<Key, ServicePlan> plans(const config::Snapshot& next) const;
  // Who serves the clients of a service that goes: one on the same endpoint
  // under another key, else one that overlaps it; null: nobody.
  const Service* heir_of(const Service& service) const;
  void end_retired();

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
  Services services_;             // serving now
  Services acquired_;             // by prepare: listening, not armed
  // Replaced by an overlapping one; they take the handshakes that were under
  // way when it came, for a short while.
  Services retired_;
  net::Timer grace_;
};

}  // namespace impulse::server
