// Service: one Listen that is being served: its sockets, on whose loops they
// accept, and to whom what they accept is handed. Main thread, but for what
// happens on accept.
#pragma once

#include "config/snapshot.h"
#include "net/listen_socket.h"
#include "server/accept_queue.h"
#include "server/follow.h"
#include "server/incoming.h"
#include "server/loops.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::server {

// Where accepted connections go.
class Reception {
 public:
  virtual ~Reception() = default;
  // Any thread: `workers` is empty for the console.
  virtual void hand_over(const std::vector<Worker*>& workers, Incoming incoming) = 0;
  virtual net::Loop& main() = 0;
  virtual void trouble(const Endpoint& endpoint, std::string_view what) = 0;
};

// What a Listen asks for. Immutable, and shared by the commits that leave it as it was.
struct ServicePlan {
  config::ScopeKind listener = config::ScopeKind::esmtp_listener;
  Endpoint endpoint;
  std::string origin;  // where it is said, for errors
  net::ListenAttributes attributes;
  int per_wakeup = 0;         // 0: the built-in limit
  std::string pool;           // whose workers serve; empty: the main loop
  std::string pool_name;      // whose do when there is such a pool (Pool_Name)
  size_t at_most = 0;         // of them; 0: all
  uint64_t accept_queue = 0;  // how many may wait for their loop, for each socket; 0: any number
};
using ServicePlanPtr = std::shared_ptr<const ServicePlan>;

class Service {
 public:
  // Binds and listens, arms nothing. `workers` who will serve (none: the main
  // loop), `replacing` as in ListenSocket::open.
  static Result<std::unique_ptr<Service>> acquire(Reception& reception, ServicePlanPtr plan,
                                                  std::vector<Worker*> workers,
                                                  std::span<net::ListenSocket* const> replacing);
  ~Service();

  const ServicePlan& plan() const { return *plan_; }
  const config::SnapshotPtr& snapshot() const { return snapshot_; }  // null before begin()
  std::vector<net::ListenSocket*> sockets() const;
  uint64_t waiting() const;  // accepted, and not served by their loops yet

  // What follows gives work to `errands`, which are to be run before anything
  // else is asked of the service.

  // Publishes and accepts.
  void begin(std::vector<Worker*> workers, const config::SnapshotPtr& snapshot, Errands& errands);
  // The same endpoint under a newer configuration. True: it no longer accepts,
  // since that is to happen elsewhere; behind these errands, resume() it.
  bool follow(const ServicePlanPtr& plan, const std::vector<Worker*>& workers, const config::SnapshotPtr& snapshot,
              Errands& errands);
  void resume(Errands& errands);
  void settle() noexcept;
  void stand_alone() noexcept;  // see ListenSocket

  // Goes: new clients are no longer given to these sockets. Those who are on
  // their way in are served by `heir` under its snapshot; with none, under the
  // one that still had this Listen, and end() is to be called behind the errands.
  void retire(const Service* heir, const config::SnapshotPtr& snapshot, Errands& errands);
  void end();  // takes the last ones and stops

 private:
  // For whom connections are accepted; owned by the accepting loop's thread.
  struct Target {
    std::vector<Worker*> workers;
    config::SnapshotPtr snapshot;
  };
  struct Door {
    std::unique_ptr<net::ListenSocket> socket;
    std::shared_ptr<Target> target;
    std::shared_ptr<AcceptQueue> queue = std::make_shared<AcceptQueue>();
    Worker* on = nullptr;  // null: the main loop
    bool armed = false;
  };
  Service(Reception& reception, ServicePlanPtr plan, std::vector<Worker*> workers)
      : reception_(reception), plan_(std::move(plan)), workers_(std::move(workers)) {}
  void open(Door& door);
  void disarm(Errands& errands);
  void aim(const std::vector<Worker*>& workers, const config::SnapshotPtr& snapshot, Errands& errands);

  Reception& reception_;
  ServicePlanPtr plan_;
  std::vector<Worker*> workers_;
  config::SnapshotPtr snapshot_;  // clients come in under it; null before begin()
  std::vector<Door> doors_;
};

}  // namespace impulse::server
