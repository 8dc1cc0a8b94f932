// The inside of Hop: what its three .cc files share. hop.cc connects and serves;
// hop_protected.cc sees to messages that need REQUIRETLS, hop_turns.cc to those
// that have no connection when there may be no more.
#pragma once

#include "delivery/hop.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace impulse::delivery {

// One attempt to get a connection, over all addresses of all next hosts.
struct Hop::Opening {
  RoutePtr route;
  size_t gateway = 0;  // next to resolve
  std::vector<Target> targets;
  size_t next = 0;
  std::string last_error = "no address to connect to";
  std::string last_peer;
  std::string last_remote;
  bool needs_protection = false;         // for messages with REQUIRETLS
  std::optional<smtp::Reply> objection;  // then: why they could not go so far
};

struct Hop::Entry {
  std::unique_ptr<Courier> courier;
  std::shared_ptr<Opening> opening;  // until it is ready
  bool plain = false;                // without STARTTLS, which failed
  bool objected = false;             // it is not what its opening needs, and goes
  bool yields = false;               // it ends for a hop that has none
  // What it carries.
  std::string domain;
  RoutePtr route;
  std::vector<queue::Item> items;
  bool sent = false;  // handed to the session
};

}  // namespace impulse::delivery
