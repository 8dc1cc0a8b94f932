// How loops and their sessions learn of a newer configuration: in slices of
// about a millisecond, between which they serve.
#pragma once

#include "config/snapshot.h"
#include "server/loops.h"

#include <functional>
#include <map>
#include <vector>

namespace impulse::server {

// Every loop takes `next`, and every session on it looks at it. Returns when
// all have looked: an answer given after that is true for all. Main thread.
void tell_sessions(const Loops& loops, const config::SnapshotPtr& next);

// Small things to be done by workers, each on its own thread: gathered, so
// that a thousand of them take one wake-up. Main thread.
class Errands {
 public:
  // For that worker, in order; for none (the main loop): done at once. What
  // `work` refers to has to be there until run() returns.
  void add(Worker* worker, std::function<void()> work);
  // Returns when all are done; then there are none.
  void run();

 private:
  std::map<Worker*, std::vector<std::function<void()>>> work_;
};

}  // namespace impulse::server
