// SASL from the server's side: one exchange at a time, over GNU SASL. Bytes
// are raw here; base64 is the carrying protocol's.
#pragma once

#include "auth/credentials.h"
#include "auth/mechanism.h"
#include "base/result.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct Gsasl;
struct Gsasl_session;

namespace impulse::auth {

// What an exchange stands on.
struct SaslSettings {
  Mechanism mechanism = Mechanism::login;
  std::shared_ptr<const Credentials> credentials;
  bool realms = false;  // the credentials are kept by realm
  std::string realm;    // DIGEST-MD5
  std::string host;     // this server's name
  std::string service;  // "impulse", "smtp"
  // What ties the exchange to its TLS connection, raw bytes by type
  // ("tls-exporter", "tls-unique"); asked during step(). Null: no SCRAM-…-PLUS
  // is on offer. Also to be given for SCRAM without PLUS while it is: a client
  // that says it saw none then speaks to somebody in between (RFC 5802 §6).
  std::function<std::optional<std::string>(std::string_view type)> channel_binding{};
  // Under what name a user stands in the credentials. Null: under the one told.
  std::function<std::string(std::string_view user)> entry{};
  // Asked of one whose proof is good; false: it fails all the same, and nobody
  // can tell. Null: everybody may.
  std::function<bool(std::string_view user)> admits{};
};

// One thread at a time, whichever.
class SaslExchange {
 public:
  enum class State : uint8_t { more, done, failed };
  struct Step {
    State state = State::failed;
    std::string output;  // more: the challenge to send, may be empty
  };

  ~SaslExchange();
  SaslExchange(const SaslExchange&) = delete;
  SaslExchange& operator=(const SaslExchange&) = delete;

  // One response of the client (the first time: its initial response, or
  // nothing). After done or failed the exchange is over. What a mechanism says
  // at its end is a challenge too, which wants an empty response.
  Step step(std::string_view response);

  // The user it was about, as far as it was told, by the name that the client
  // knows: of a failed exchange what was tried.
  const std::string& user() const { return user_; }
  // done: of the credential that was used (Credential::fingerprint).
  const std::string& fingerprint() const { return fingerprint_; }
  Mechanism mechanism() const { return settings_.mechanism; }

 private:
  friend class Sasl;
  struct Ask;  // sasl.cc
  SaslExchange(SaslSettings settings, std::string key) : settings_(std::move(settings)), key_(std::move(key)) {}
  bool admitted();
  Step finish();
  std::string entry() const;  // the user's, in the credentials
  const Credential* credential() const;
  std::string qualifier() const;
  bool is_misbound(std::string_view response) const;

  SaslSettings settings_;
  std::string key_;  // what those who are not there are made up of
  Gsasl_session* session_ = nullptr;
  std::string user_;
  std::string fingerprint_;
  int steps_ = 0;
  bool last_word_ = false;  // proven; an empty response is expected
  bool over_ = false;
};

// The library. One a daemon, outliving its exchanges. begin() from any thread:
// GNU SASL only reads its context once the callback is set, and keeps what
// changes in the session, which is its exchange's.
class Sasl {
 public:
  static Result<std::unique_ptr<Sasl>> create();
  ~Sasl();
  Sasl(const Sasl&) = delete;
  Sasl& operator=(const Sasl&) = delete;
  // Errc::unavailable: the library was built without that mechanism.
  Result<std::unique_ptr<SaslExchange>> begin(SaslSettings settings) const;

 private:
  explicit Sasl(Gsasl* library);
  Gsasl* library_;
  std::string key_;
};

// The qualifier of credentials (credentials.h) for a mechanism.
std::string credential_qualifier(Mechanism mechanism, bool realms, std::string_view realm);

}  // namespace impulse::auth
