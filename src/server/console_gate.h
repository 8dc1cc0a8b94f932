// ConsoleGate: who may come in by a control listener, and what all clients
// share to find out who they are. Main thread.
#pragma once

#include "auth/failure_rate.h"
#include "auth/files.h"
#include "auth/sasl.h"
#include "config/snapshot.h"
#include "control/access.h"
#include "telemetry/acctlog.h"
#include "telemetry/log.h"

#include <memory>
#include <string>

namespace impulse::server {

class ConsoleGate {
 public:
  // Borrowed, outliving it. `host`: this server's name, the default realm.
  static Result<std::unique_ptr<ConsoleGate>> create(telemetry::Log& log, telemetry::Acctlog& acctlog,
                                                     std::string host);

  // Why a client may not even say something; empty: it may.
  std::string refusal(const Endpoint& peer, const config::Options& options) const;
  std::unique_ptr<control::Access> admit(control::Client client, const config::SnapshotPtr& snapshot,
                                         const config::Options& options, control::Access::OptionsIn options_in);

 private:
  ConsoleGate(telemetry::Log& log, telemetry::Acctlog& acctlog, std::string host, std::unique_ptr<auth::Sasl> sasl);

  telemetry::Acctlog& acctlog_;
  std::string host_;
  std::unique_ptr<auth::Sasl> sasl_;
  auth::Files files_;
  auth::FailureRate failures_;
};

// The options for a console's client: those of a Unix socket are looked up as 127.0.0.1.
const config::Options& console_options(const config::ListenConf& listen, const Endpoint& peer);

}  // namespace impulse::server
