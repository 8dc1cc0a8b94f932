// How sessions learn of a newer configuration.
#pragma once

#include "config/snapshot.h"
#include "server/loops.h"

namespace impulse::server {

// Every loop takes `next`, and every session on it looks at it; in slices of
// about a millisecond, between which the loop serves. Returns when all have
// looked: an answer given after that is true for all. Main thread.
void tell_sessions(const Loops& loops, const config::SnapshotPtr& next);

}  // namespace impulse::server
