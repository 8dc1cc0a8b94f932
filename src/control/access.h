// Access: who one control client is, and what it may do. Decided anew for each
// request, under the configuration and the files of that moment. Main thread.
#pragma once

#include "auth/failure_rate.h"
#include "auth/files.h"
#include "auth/mechanism.h"
#include "auth/parameters.h"
#include "auth/sasl.h"
#include "base/endpoint.h"
#include "config/snapshot.h"
#include "control/command.h"
#include "telemetry/acctlog.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::control {

// What all clients share; borrowed, outliving them.
struct AccessParts {
  auth::Sasl& sasl;
  auth::Files& files;
  auth::FailureRate& failures;
  telemetry::Acctlog& acctlog;
  std::string host;  // this server's name, where no realm is given
  // Whether a user of that name is a tenant's, and nobody here. Null: nobody is.
  std::function<bool(const config::Snapshot& now, std::string_view user)> is_foreign{};
};

// What the transport knows of a client.
struct Client {
  Endpoint listen;
  Endpoint peer;
  bool tls = false;
  uid_t uid = static_cast<uid_t>(-1);  // Unix: of the process at the other end
  std::string user;                    // Unix: its name
  std::vector<std::string> groups;     // Unix: those of the system it is in
  // Another protocol has found out who it is, for one request: nothing of the
  // above counts then, and it does not authenticate again.
  struct Proof {
    std::string user;  // not empty
    std::string how;   // "HTTP"
  };
  std::optional<Proof> proof{};
  bool of_system() const { return peer.is_unix() && !proof; }
  bool local() const { return peer.is_unix() || peer.address().is_loopback(); }
};

// May this be run? With the reason in words when not.
struct Decision {
  bool allowed = true;
  std::string role;  // that allowed it; empty: roles were not asked
  std::string id;    // of the error
  std::string why;
};

class Access {
 public:
  // This client's options under a snapshot; null: its Listen is not there any more.
  using OptionsIn = std::function<const config::Options*(const config::Snapshot&)>;

  // `options` are those it came in under, kept by `snapshot`. Accounts for the
  // authentication of a Unix client.
  Access(AccessParts parts, Client client, config::SnapshotPtr snapshot, const config::Options& options,
         OptionsIn options_in);

  // From now on under that configuration. A client whose Listen has gone keeps
  // what it had.
  void look(const config::SnapshotPtr& now);

  // Who it is now.
  struct Standing {
    bool authenticated = false;
    bool blocked = false;   // Deny, Always_Deny, or from afar without having to authenticate
    bool required = false;  // to authenticate before anything else
    std::string user;       // empty: nobody
    std::string how;        // "SO_PEERCRED", "SCRAM-SHA-256", "Always_Allow"; empty: not
  };
  Standing standing() const;
  // The user and all groups: the names of roles that are the client's.
  std::vector<std::string> names() const;
  std::vector<std::string> groups() const;  // without the user

  // Enable_Authorization. Where that is not said, roles decide about clients with a proof as soon as there are any.
  bool authorizes() const;
  const Client& client() const { return client_; }
  const config::SnapshotPtr& snapshot() const { return snapshot_; }
  std::vector<std::string> members(std::string_view group) const;  // by the group file

  // Before a command line is looked at more closely: `command` is what its
  // first words name, or null.
  Decision may_ask(const Command* command) const;
  // `line` is canonical_line() of it.
  Decision may_run(const Command& command, std::string_view line) const;
  // Accounts for a command; `line` is redacted, not escaped.
  void account(std::string_view line, const Decision& decision) const;

  // Authentication. Mechanisms this client may use now, best first.
  std::vector<auth::Mechanism> offered() const;
  // Why it may not try now, if so: refused for its failures.
  std::optional<std::string> locked_out() const;
  Result<std::unique_ptr<auth::SaslExchange>> begin(auth::Mechanism mechanism);
  // Over; false: not good enough after all (Always_Deny).
  bool succeeded(const auth::SaslExchange& exchange);
  // True: that was one too many, the connection is to be closed.
  bool failed(std::string_view user);
  // The time is over for one who had to authenticate, and did not.
  void timed_out() const;

 private:
  std::optional<auth::Source> source(auth::Mechanism mechanism) const;
  std::string realm(const auth::Source& source) const;
  std::shared_ptr<const auth::Groups> group_file() const;
  telemetry::Account account_of(std::string user) const;
  bool still_good() const;

  AccessParts parts_;
  Client client_;
  config::SnapshotPtr snapshot_;  // keeps options_
  const config::Options* options_;
  OptionsIn options_in_;

  // Of a successful exchange.
  std::string user_;
  std::optional<auth::Mechanism> mechanism_;
  std::string fingerprint_;
  bool log_exchange_ = true;
  int64_t failures_ = 0;
};

// What roles' patterns are matched against: the command's words in lower case,
// the others as they were written, one blank between them, comments left out,
// the payload last as a string; control characters escaped.
std::string canonical_line(const Command& command, std::span<const config::RawValue> words, std::string_view rest,
                           const std::string* payload);

}  // namespace impulse::control
