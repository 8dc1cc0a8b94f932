// ProxyGate: stands between the listeners and the mail sessions. Where
// Proxy_Protocol is on, a proxy has to say first who its client is; from then
// on that client is the peer. Nothing is sent before.
#pragma once

#include "server/incoming.h"
#include "server/loops.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

namespace impulse::server {

class ProxyGate {
 public:
  using Next = std::function<void(Worker&, Incoming)>;
  // Borrowed, outliving it, as it outlives the workers' threads. `next` is
  // called on the worker's loop.
  ProxyGate(telemetry::Log& log, telemetry::Counters& counters, Next next)
      : log_(log), counters_(counters), next_(std::move(next)) {}

  // On the worker's loop, whose `sessions` was raised for it already.
  void pass(Worker& worker, Incoming incoming);
  // Closes those who have not said yet who they are. On the worker's loop.
  void close_all(Worker& worker);

 private:
  void await(Worker& worker, Incoming incoming);
  void arrived(Worker& worker, Incoming incoming, Result<net::ProxyHeader> header, UniqueFd fd);
  void turn_away(Worker& worker, const Incoming& incoming, telemetry::Level level, std::string_view why);

  telemetry::Log& log_;
  telemetry::Counters& counters_;
  Next next_;
  std::atomic<uint64_t> next_number_{0};
};

}  // namespace impulse::server
