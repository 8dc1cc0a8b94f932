// Listeners: which sockets listen, kept in step with the configuration. A
// Listen's identity is its endpoint: what stays keeps its descriptor, what is
// new listens before anything is published, what goes is drained (DESIGN §3).
#pragma once

#include "config/engine.h"
#include "net/listen_socket.h"
#include "server/incoming.h"
#include "server/loops.h"
#include "telemetry/log.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace impulse::server {

class Listeners : public config::Participant {
 public:
  // Borrowed, outliving it. Mail connections are handed to `mail` on the loop
  // of the worker that was chosen, control connections to `control` on the main loop.
  Listeners(net::Loop& main, Loops& loops, telemetry::Log& log,
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
  void close_all();  // shut-down: stops accepting, drains into sessions

 private:
  // One Listen that is served.
  struct Service {
    config::ScopeKind listener = config::ScopeKind::esmtp_listener;
    Endpoint endpoint;
    net::ListenAttributes attributes;
    int per_wakeup = 0;
    std::vector<Worker*> workers;    // who serves; empty for control (the main loop)
    std::vector<std::unique_ptr<net::ListenSocket>> sockets;  // one, or one a worker
    std::vector<Worker*> armed_on;   // for each socket; null is the main loop
  };
  using Key = std::pair<Endpoint, bool>;  // endpoint, Reuse_Port

  Service describe(const config::ListenConf& conf) const;
  void arm(Service& service);
  void disarm(Service& service);
  void hand_over(const std::vector<Worker*>& workers, Incoming incoming);
  void drain(Service& service);

  net::Loop& main_;
  Loops& loops_;
  telemetry::Log& log_;
  std::function<void(Worker&, Incoming)> mail_;
  std::function<void(Incoming)> control_;

  config::SnapshotPtr snapshot_;              // applied last; main thread
  config::SnapshotPtr previous_;              // the one before, for those who waited on a leaving socket
  std::map<Key, Service> services_;           // serving now
  std::map<Key, Service> acquired_;           // by prepare: listening, not armed
  std::map<Key, Service> leaving_;            // by apply: to be drained and closed
};

}  // namespace impulse::server
