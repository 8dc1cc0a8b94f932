// Office: what the parts of a Dispatcher share. Made by the Dispatcher, which
// owns all of it. Loop thread.
#pragma once

#include "delivery/backlog.h"
#include "delivery/dispatcher.h"
#include "delivery/ledger.h"
#include "delivery/plain_addresses.h"
#include "delivery/route.h"
#include "delivery/silent_addresses.h"
#include "delivery/slots.h"
#include "delivery/stream_pool.h"
#include "delivery/throttles.h"
#include "delivery/workers.h"
#include "dns/resolver.h"
#include "queue/queue.h"

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace impulse::delivery {

struct Office {
  Parts& parts;
  queue::Queue& queue;
  Backlog& backlog;
  Ledger& ledger;
  Workers& readers;  // of messages, and writers of bounces
  // Of the pieces of large bodies that are being sent: these must not wait until others are read as a whole.
  Workers& streamers;
  dns::Resolver& resolver;
  Throttles& throttles;
  bool short_of_connections = false;  // somebody waits for freed()
  bool stopping = false;              // nothing new is begun

  // The route under the current configuration. Here and below a domain is a
  // queue's name (queue/name.h), which may have a tenant before it.
  std::function<RoutePtr(std::string_view domain)> route;
  // Looks at the domain again: its route has changed. From the loop, later.
  std::function<void(const std::string& domain)> look_again;
  // Everything active of the domain has failed with that.
  std::function<void(const std::string& domain, Outcome outcome, Attempt attempt)> fail_domain;
  // A connection has gone, or a job has ended: others may have waited for it.
  std::function<void()> freed;
  // There is one more who starves: who rests may make room. From the loop, later.
  std::function<void()> make_room;
  Slots slots{};                                           // all of the server (hop_turns.cc),
  size_t most_connections = SIZE_MAX;                      // of which there may be so many;
  std::unordered_map<std::string, Slots> binding_slots{};  // those of a Binding, by its name in lower case
  uint64_t last_connection = 0;                            // number of the newest, for the logs
  SilentAddresses silent{};
  PlainAddresses plain{};
  StreamPool streams{};
};

}  // namespace impulse::delivery
