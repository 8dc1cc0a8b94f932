// Which Listen serves a client when the one it came by has moved: *:25 takes
// over from 127.0.0.1:25, and the other way round.
#pragma once

#include "base/endpoint.h"
#include "config/snapshot.h"
#include "server/incoming.h"

namespace impulse::server {

// Both could accept the same client.
bool overlap(const Endpoint& a, const Endpoint& b);

// The Listen of `listener` that serves, in this snapshot, a client that came by
// `listen` to the local address `local`: that one while it is enabled, else an
// enabled one that covers the address, else that one; null when neither is there.
const config::ListenConf* serving(const config::Snapshot& snapshot, config::ScopeKind listener, const Endpoint& listen,
                                  const Endpoint& local);
// The same for a connection that has just come in, under its own snapshot.
const config::ListenConf* serving(const Incoming& incoming);

}  // namespace impulse::server
