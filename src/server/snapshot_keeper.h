// SnapshotKeeper: holds each published configuration until nobody else does,
// and then has it destroyed on a thread of its own. Whoever lets go of a
// snapshot last would else pay for it: a loop that serves sessions, and a
// configuration of a million Peers. The tree a snapshot was compiled of is held
// in the same way, since the history of the engine shares it.
#pragma once

#include "config/snapshot.h"

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace impulse::server {

class SnapshotKeeper {
 public:
  SnapshotKeeper();
  ~SnapshotKeeper();  // destroys what it holds

  // Main thread, as are all but the thread inside.
  void keep(config::SnapshotPtr snapshot);
  // Sends away what nobody else holds. False: only the newest is left.
  bool sweep();

  size_t snapshots() const;  // compiled ones that are alive
  size_t trees() const;      // with those that history holds

 private:
  struct Entry {
    config::SnapshotPtr snapshot;  // null once it is gone
    config::ScopePtr root;
  };
  void run();

  std::vector<Entry> entries_;  // oldest first

  std::mutex mutex_;  // guards going_ and stop_
  std::condition_variable wake_;
  std::vector<std::shared_ptr<const void>> going_;
  bool stop_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace impulse::server
