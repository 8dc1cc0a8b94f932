// Incoming: a connection on its way from the socket that accepted it to the
// session that will serve it.
#pragma once

#include "base/endpoint.h"
#include "base/fd.h"
#include "config/snapshot.h"

namespace impulse::server {

struct Incoming {
  config::ScopeKind listener = config::ScopeKind::esmtp_listener;
  Endpoint listen;
  UniqueFd fd;
  Endpoint peer;
  // In force when it was accepted: a connection that was waiting on a socket
  // that goes is still served under the configuration that had it.
  config::SnapshotPtr snapshot;
};

}  // namespace impulse::server
