// AuthDesk: where clients that bring mail prove who they are. One for the
// daemon, shared by all loops: the password files, the failures of addresses
// and of users, and what is written down of each attempt. Any thread.
//
// A tenant's user "alice" stands as "blue/alice" in the files, and in what is
// written down; the client, and its session, know nothing of that.
#pragma once

#include "auth/failure_rate.h"
#include "auth/files.h"
#include "auth/parameters.h"
#include "auth/sasl.h"
#include "config/snapshot.h"
#include "config/tenants.h"
#include "smtp/server_session.h"
#include "telemetry/acctlog.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::server {

class AuthDesk {
 public:
  // Borrowed, outliving it. `host`: this server's name, the default realm.
  static Result<std::unique_ptr<AuthDesk>> create(telemetry::Log& log, telemetry::Acctlog& acctlog,
                                                  telemetry::Counters& counters, std::string host);

  // Who stands at the desk; lives as long as the call.
  struct Visitor {
    const config::Options& options;  // that hold for it now
    const smtp::ClientInfo& client;
    std::string_view tenant;  // users of one are not those of another
    uint64_t session = 0;
    config::SnapshotPtr now{};  // that is in force, whatever the session works under
    telemetry::Area area = telemetry::Area::smtp;
  };

  // Whether a user of that name cannot be in a session without a tenant: it
  // begins with the name of one, and '/'. `now`: the snapshot in force.
  bool is_foreign(const config::Snapshot& now, std::string_view user);

  // Why it may not even try: too many failures from its address.
  std::optional<smtp::HostRefusal> may_try(const Visitor& visitor) const;

  using ChannelBinding = std::function<std::optional<std::string>(std::string_view type)>;
  // Errc::unavailable: the file cannot be read, or the library has no such
  // mechanism. `binding` as in auth::SaslSettings; outlives the exchange. A user
  // with too many failures fails, wherever it comes from but where it succeeded
  // before, and cannot tell that from a wrong password.
  Result<std::unique_ptr<auth::SaslExchange>> begin(const Visitor& visitor, const auth::Source& source,
                                                    ChannelBinding binding);
  // Whether anybody at all can come in by that: a file of SCRAM has keys for
  // one hash function, or for both.
  bool has_users(const auth::Source& source);

  // Whose API key that is; told() has to follow. Errc::denied: nobody's, or not
  // of the visitor's tenant; timeout: it has expired; unavailable: the file of
  // keys cannot be read.
  Result<auth::KeyEntry> check_key(const Visitor& visitor, const auth::KeySource& source, std::string_view presented);

  // An exchange is over: counts, and writes it down, without secrets.
  void told(const Visitor& visitor, const smtp::ServerHost::AuthOutcome& outcome);

  // One who succeeded before did so again, on the same connection: nothing is
  // written down, but it stays known where it comes from (see FailureRate).
  void seen(const Visitor& visitor, std::string_view user);

  // For the console's gate, which has the same files.
  auth::Sasl& sasl() { return *sasl_; }
  auth::Files& files() { return files_; }
  const std::string& host() const { return host_; }

 private:
  AuthDesk(telemetry::Log& log, telemetry::Acctlog& acctlog, telemetry::Counters& counters, std::string host,
           std::unique_ptr<auth::Sasl> sasl);

  telemetry::Log& log_;
  telemetry::Acctlog& acctlog_;
  telemetry::Counters& counters_;
  const std::string host_;
  const std::unique_ptr<auth::Sasl> sasl_;
  auth::Files files_;
  auth::FailureRate failures_;
  std::mutex mutex_;  // guards what follows
  config::TenantNames tenants_;
  uint64_t tenants_of_ = 0;  // generation
};

}  // namespace impulse::server
