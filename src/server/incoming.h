// Incoming: a connection on its way from the socket that accepted it to the
// session that will serve it.
#pragma once

#include "base/endpoint.h"
#include "base/fd.h"
#include "config/snapshot.h"
#include "net/proxy_header.h"
#include "server/accept_queue.h"

#include <memory>

namespace impulse::server {

// What a PROXY header said of a client.
struct Proxied {
  Endpoint proxy;  // who really connected
  net::ProxyHeader header;
};

struct Incoming {
  config::ScopeKind listener = config::ScopeKind::esmtp_listener;
  Endpoint listen;
  UniqueFd fd;
  Endpoint peer;  // the client that a PROXY header names, else who connected
  // In force when it was accepted: a connection that was waiting on a socket
  // that goes is still served under the configuration that had it.
  config::SnapshotPtr snapshot;
  std::shared_ptr<const Proxied> proxied = nullptr;  // null: nobody stands between us and the peer
  AcceptQueue::Turn turn{};                          // until its loop begins with it
};

}  // namespace impulse::server
