// Login: how a client of a mail protocol becomes somebody: by an exchange of
// SASL, or by what its connection says of it (certificate, pre-shared key,
// PROXY header). The protocol carries octets and puts the outcomes into words
// of its own; Login decides, and remembers who it is.
#pragma once

#include "auth/mechanism.h"
#include "auth/parameters.h"
#include "auth/sasl.h"
#include "base/clock.h"
#include "message/refusal.h"
#include "net/client_info.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::config {
class Options;
}

namespace impulse::auth {

// What the configuration says of it.
struct LoginPolicy {
  std::vector<Source> auth_sources;  // what can be had, the best first
  bool auth_external = false;        // EXTERNAL: the client is whom its connection says
  bool auth_required = false;        // Enable_Authentication
  bool auth_requires_tls = true;     // for what could be overheard
  bool always_allow = false;         // everybody counts as authenticated
  bool always_deny = false;          // nobody does
  uint32_t auth_failure_limit = 3;   // in a session; 0 no limit

  friend bool operator==(const LoginPolicy&, const LoginPolicy&) = default;
};

// All of it but what is on offer: auth_sources and auth_external.
void read_login_policy(const config::Options& options, LoginPolicy& policy);

// What Login asks of the session's owner. Synchronous, no I/O behind it.
class LoginHost {
 public:
  virtual ~LoginHost() = default;
  // Why the client may not try now (too many failures from its address).
  virtual std::optional<message::Refusal> may_authenticate() { return std::nullopt; }
  // Whether anybody can come in by that mechanism: only then it is listed.
  virtual bool usable(const Source&) { return true; }
  virtual Result<std::unique_ptr<SaslExchange>> authenticate(const Source&) {
    return fail(Errc::unavailable, "no authentication here");
  }
  // An exchange is over: for logs and failure rates. `how`: its mechanism.
  struct AuthOutcome {
    std::string_view how;
    std::string_view user;  // as far as it was told
    bool success = false;
    bool log = true;  // log_authentication
  };
  virtual void authenticated(const AuthOutcome&) {}
};

class Login {
 public:
  // The session as it is at a call.
  struct Scene {
    const LoginPolicy& policy;
    const net::ClientInfo& client;
    const std::optional<net::TlsState>& tls;
  };

  explicit Login(LoginHost& host) : host_(host) {}

  std::vector<std::string_view> mechanisms(const Scene& scene) const;  // that the client may use now
  bool known(const LoginPolicy& policy) const { return !policy.always_deny && (policy.always_allow || !user_.empty()); }
  const std::string& user() const { return user_; }      // who authenticated; empty: nobody
  bool by_connection() const { return by_connection_; }  // the connection itself says who it is
  // By an exchange: it takes no other.
  bool settled() const { return !user_.empty() && !by_connection_; }
  bool external_offered(const LoginPolicy& policy) const { return policy.auth_external && by_connection_; }

  // The connection is as secure as it gets for now: whom it names is in.
  void take_identity(const Scene& scene);

  // Somebody who may say so (XCLIENT) says who it is; `how`: for the log.
  void vouched_for(std::string user, std::string_view how) { is(std::move(user), how); }

  enum class Begun : uint8_t {
    exchange,  // first() or step() is next
    external,  // external() is next, with the identity that the client asks for
    unknown_mechanism,
    refused,    // refusal() says why
    needs_tls,  // for that mechanism
    trouble,    // with the credentials, for now
  };
  Begun begin(const Scene& scene, std::string_view mechanism);
  const message::Refusal& refusal() const { return refusal_; }

  enum class State : uint8_t {
    challenge,  // challenge() goes to the client, step() takes its response
    success,
    failure,        // of credentials: the host has been told
    not_initially,  // the mechanism wants no initial response: over, and no failure
  };
  State first(const LoginPolicy& policy, std::string_view initial);  // of a client that sends a response ahead
  State step(const LoginPolicy& policy, std::string_view response);
  State external(std::string_view asked);  // empty: whoever the connection says
  const std::string& challenge() const { return challenge_; }
  bool in_exchange() const { return exchange_ != nullptr; }
  void cancel() { exchange_.reset(); }

  // Counts one more failure of this session; false: it was one too many.
  bool may_go_on(const LoginPolicy& policy);
  void forget();  // who it is, and what is under way; not its failures

 private:
  bool may_use(const Scene& scene, const Source& source) const;
  void is(std::string user, std::string_view how);
  State failed();

  LoginHost& host_;
  std::unique_ptr<SaslExchange> exchange_;
  bool logs_ = true;
  std::string user_;
  bool by_connection_ = false;
  uint32_t failures_ = 0;
  std::string challenge_;
  message::Refusal refusal_;
};

// How long somebody who failed waits for being told, when `delay` is to be
// waited already: each of several guesses in one stretch of bytes has its own.
Duration penalized(Duration delay);

}  // namespace impulse::auth
