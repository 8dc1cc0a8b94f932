// ConsoleGate: who may come in by a control listener, and what all clients
// share to find out who they are. Main thread.
#pragma once

#include "auth/failure_rate.h"
#include "config/snapshot.h"
#include "control/access.h"
#include "server/auth_desk.h"
#include "telemetry/acctlog.h"

#include <memory>
#include <string>
#include <string_view>

namespace impulse::server {

class ConsoleGate {
 public:
  // Borrowed, outliving it. Of the desk it takes the library, the files and the
  // name; failures to bring mail do not lock an operator out.
  ConsoleGate(telemetry::Acctlog& acctlog, AuthDesk& desk) : acctlog_(acctlog), desk_(desk) {}

  // Why a client may not even say something; empty: it may.
  std::string refusal(const Endpoint& peer, const config::Options& options) const;
  std::unique_ptr<control::Access> admit(control::Client client, const config::SnapshotPtr& snapshot,
                                         const config::Options& options, control::Access::OptionsIn options_in);
  // Of a tenant, that is: see AuthDesk::is_foreign().
  bool is_foreign(const config::Snapshot& now, std::string_view user) { return desk_.is_foreign(now, user); }

 private:
  telemetry::Acctlog& acctlog_;
  AuthDesk& desk_;
  auth::FailureRate failures_;
};

// The options for a console's client: those of a Unix socket are looked up as 127.0.0.1.
const config::Options& console_options(const config::ListenConf& listen, const Endpoint& peer);

}  // namespace impulse::server
