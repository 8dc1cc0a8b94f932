// Rejections: each refusal of a mail session, counted by cause and by Listen,
// and written to the rejection log and the diagnostic log.
#pragma once

#include "base/endpoint.h"
#include "config/snapshot.h"
#include "smtp/server_session.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"
#include "telemetry/rejectlog.h"

#include <cstdint>

namespace impulse::server {

class Rejections {
 public:
  // Borrowed, outliving it.
  Rejections(telemetry::Counters& counters, telemetry::Log& log, telemetry::Rejectlog& rejectlog)
      : counters_(counters), log_(log), rejectlog_(rejectlog) {}

  // Who was refused; lives as long as the call.
  struct Client {
    uint64_t session = 0;
    config::ScopeKind listener = config::ScopeKind::esmtp_listener;
    const Endpoint& listen;
    const Endpoint& peer;
    Endpoint local;
    const config::Snapshot& snapshot;
    const config::Options& options;
    const smtp::ServerSession& engine;
  };
  // Any thread.
  void tell(const Client& client, const smtp::Refusal& refusal) const;

 private:
  telemetry::Counters& counters_;
  telemetry::Log& log_;
  telemetry::Rejectlog& rejectlog_;
};

}  // namespace impulse::server
