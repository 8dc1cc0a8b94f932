// Rerouting: the way through all domains after a commit, some at a time: what it
// makes of their routes, and what waits for no reason any more. Loop thread.
#pragma once

#include "config/snapshot.h"
#include "delivery/failures.h"
#include "delivery/office.h"
#include "queue/queue.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace impulse::delivery {

class Rerouting {
 public:
  Rerouting(Office& office, Failures& failures) : office_(office), failures_(failures) {}
  Rerouting(const Rerouting&) = delete;
  Rerouting& operator=(const Rerouting&) = delete;

  // From the configuration of the last time to the current one; a walk that is under way ends first.
  // True: a walk has begun. None has when there was no last time, or nothing has changed since.
  bool begin();
  bool walking() const { return walking_; }
  // Some of it. The domain that it has come to, when it is done with that: to be looked at now.
  std::optional<std::string> step();

 private:
  bool release(const std::string& domain);

  Office& office_;
  Failures& failures_;
  config::SnapshotPtr routed_by_;            // as of the last walk
  config::SnapshotPtr walked_from_;          // as of the one before
  std::string walk_;                         // the last domain of it so far
  std::vector<queue::DomainStatus> walked_;  // these come next, from the end on
  queue::Queue::Scan releasing_;             // of the one that is next
  size_t released_ = 0;
  bool walking_ = false;
  bool walk_ended_ = false;  // but for those in walked_
};

}  // namespace impulse::delivery
