// The inside of Hop: what its .cc files share. hop.cc connects and serves;
// hop_addresses.cc finds out where to connect to;
// hop_protected.cc sees to messages that need REQUIRETLS, hop_turns.cc to those
// that have no connection when there may be no more.
#pragma once

#include "delivery/hop.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace impulse::delivery {

// Addresses tried in one opening, at most.
constexpr size_t max_tries = 24;

// One attempt to get a connection, over all addresses of all next hosts.
struct Hop::Opening {
  RoutePtr route;
  std::string domain;                   // whose throttle it counts in
  size_t connects = 0;                  // attempts so far
  size_t gateway = 0;                   // next to look up
  std::vector<dns::AnswerPtr> answers;  // of those before it with the same rank
  size_t missing = 0;                   // of these
  std::vector<Target> targets;
  size_t next = 0;
  size_t tries = 0;
  std::vector<Target> silent;  // those that did not answer lately,
  bool last_resort = false;    // and are tried when all others have failed
  std::string last_error = "no address to connect to";
  std::string last_status = "4.4.1";
  std::string last_peer;
  std::string last_remote;
  Trace last;  // of the last that failed
  // What the logs say of it.
  void tell(Outcome& outcome, Attempt& attempt) const {
    outcome.stage = last.stage;
    outcome.bytes = last.bytes;
    attempt.connection = last.connection;
    attempt.tls = last.tls;
  }
  bool needs_protection = false;  // for messages with REQUIRETLS
  // Why it came to nothing so far: what may pass, before what will not.
  std::optional<smtp::Reply> objection;
};

// One message's recipients, as the courier has them.
struct Hop::Load {
  std::string domain;
  RoutePtr route;
  std::vector<queue::Item> items;
  telemetry::NotePtr note{};  // for the logs
};

struct Hop::Entry {
  std::unique_ptr<Courier> courier;
  std::shared_ptr<Opening> opening;  // until it is ready
  bool plain = false;                // without STARTTLS, which failed
  bool objected = false;             // it is not what its opening needs, and goes
  Slots* yields = nullptr;           // it ends for a hop that has none of these
  SteadyTime began = steady_now();
  // What is read for it.
  std::string domain;
  RoutePtr route;
  std::vector<queue::Item> items;
  smtp::ClientOffers read_for;  // what the host offered then
  std::deque<Load> under_way;   // handed over, in this order
};

}  // namespace impulse::delivery
