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
#include <string_view>

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
    std::string_view phase;                        // what the session is at
    std::string_view helo;                         // how the client calls itself; empty: it did not say
    std::string_view user;                         // who authenticated; empty: nobody
    telemetry::Area area = telemetry::Area::smtp;  // of the log
    std::string_view tenant{};                     // whose client it is; empty: nobody's
  };
  // Any thread.
  void tell(const Client& client, const smtp::Refusal& refusal) const;

 private:
  telemetry::Counters& counters_;
  telemetry::Log& log_;
  telemetry::Rejectlog& rejectlog_;
};

}  // namespace impulse::server
