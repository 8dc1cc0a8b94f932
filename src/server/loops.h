// The daemon's event loops: pools of worker threads (EventLoop scopes), each
// loop with the snapshot it works under and the sessions that live on it.
#pragma once

#include "config/snapshot.h"
#include "net/loop.h"
#include "net/proxy_preface.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace impulse::server {

class ClientSession;

// One loop and what lives on it. Everything but `loop` itself is touched by
// the loop's own thread only.
struct Worker {
  std::unique_ptr<net::Loop> loop;
  std::thread thread;
  config::SnapshotPtr snapshot;
  std::unordered_map<uint64_t, ClientSession*> sessions;  // by session id; they remove themselves
  // Proxies that have not named their client yet (proxy_gate.h).
  std::unordered_map<uint64_t, std::unique_ptr<net::ProxyPreface>> prefaces;
};

// All worker loops. Main thread, but for pick().
class Loops {
 public:
  ~Loops();  // stops and joins

  // Starts the threads that `next` asks for and that are not there yet; when
  // that fails, none. A pool that shrinks keeps its threads, but gets no new
  // sessions on the surplus.
  Result<> grow(const config::Snapshot& next);
  // Ends the threads that were started since the last resize(), which nobody
  // has been given work of his own for.
  void shrink() noexcept;
  void resize(const config::Snapshot& next) noexcept;  // the new ones stay

  // The loops of a pool that serve new sessions; behind grow(), those that will.
  std::vector<Worker*> pool(const std::string& name, size_t at_most) const;
  // Every loop there is.
  std::vector<Worker*> all() const;

  // Runs `work` on each worker's thread and waits until all have. Loops never
  // wait for the main thread, so this ends.
  void run_on_all(const std::function<void(Worker&)>& work) const;
  static void run_on(Worker& worker, const std::function<void()>& work);

  void stop();  // ends the threads; sessions must be gone

 private:
  struct Pool {
    std::vector<std::unique_ptr<Worker>> workers;
    size_t serving = 0;
    size_t coming = 0;   // that will serve when what grow() was for comes into force; 0: as now
    size_t lasting = 0;  // of the workers: those that shrink() leaves
  };
  static size_t wanted(const config::Options& options);
  Result<> add(const std::string& name, Pool& pool, size_t count);
  static void stop(Worker& worker);
  std::map<std::string, Pool, std::less<>> pools_;
};

// The worker with the fewest sessions (DESIGN §2, Threads). Any thread.
Worker& least_busy(const std::vector<Worker*>& workers);

}  // namespace impulse::server
