// The exchange: GNU SASL keeps the mechanisms' rules and asks for what it needs
// by a callback. Users that are not there are answered like those who are.
#include "auth/sasl.h"

#include "auth/password.h"
#include "base/text.h"

#include <gsasl.h>

#include <cstdlib>
#include <new>
#include <utility>

namespace impulse::auth {

namespace {

constexpr int most_steps = 8;  // no mechanism needs more; SCRAM would wait for its first message for ever

std::string property(Gsasl_session* session, Gsasl_property what) {
  const char* text = gsasl_property_fast(session, what);
  return text == nullptr ? std::string() : std::string(text);
}

int give(Gsasl_session* session, Gsasl_property what, const std::string& text) {
  return gsasl_property_set(session, what, text.c_str());
}

}  // namespace

std::string credential_qualifier(Mechanism mechanism, bool realms, std::string_view realm) {
  if (is_scram(mechanism)) return std::string(name(without_binding(mechanism)));
  return realms ? std::string(realm) : std::string();
}

// What GNU SASL asks while it makes a step.
struct SaslExchange::Ask {
  static int callback(Gsasl*, Gsasl_session* session, Gsasl_property what) {
    auto* exchange = static_cast<SaslExchange*>(gsasl_session_hook_get(session));
    if (exchange == nullptr) return GSASL_NO_CALLBACK;
    try {
      return answer(*exchange, session, what);
    } catch (const std::bad_alloc&) {
      return GSASL_MALLOC_ERROR;
    } catch (...) {  // nothing of ours may pass through a C library
      return GSASL_AUTHENTICATION_ERROR;
    }
  }

  static int answer(SaslExchange& exchange, Gsasl_session* session, Gsasl_property what) {
    const SaslSettings& settings = exchange.settings_;
    switch (what) {
      case GSASL_SERVICE:
        return give(session, what, settings.service);
      case GSASL_HOSTNAME:
        return give(session, what, settings.host);
      case GSASL_REALM:
        if (settings.realm.empty()) return GSASL_NO_CALLBACK;
        return give(session, what, settings.realm);
      case GSASL_QOPS:
        return give(session, what, "qop-auth");
      case GSASL_CB_TLS_EXPORTER:
        return binding(settings, session, what, "tls-exporter");
      case GSASL_CB_TLS_UNIQUE:
        return binding(settings, session, what, "tls-unique");
      case GSASL_VALIDATE_SIMPLE:
        return validate_simple(exchange, session);
      case GSASL_PASSWORD:
      case GSASL_DIGEST_MD5_HASHED_PASSWORD:
      case GSASL_SCRAM_ITER:
      case GSASL_SCRAM_SALT:
      case GSASL_SCRAM_STOREDKEY:
      case GSASL_SCRAM_SERVERKEY:
        return secret(exchange, session, what);
      default:
        return GSASL_NO_CALLBACK;
    }
  }

  static int binding(const SaslSettings& settings, Gsasl_session* session, Gsasl_property what, std::string_view type) {
    if (!binds_channel(settings.mechanism) || !settings.channel_binding) return GSASL_NO_CALLBACK;
    const std::optional<std::string> bytes = settings.channel_binding(type);
    return bytes ? give(session, what, to_base64(*bytes)) : GSASL_NO_CALLBACK;
  }

  static int validate_simple(SaslExchange& exchange, Gsasl_session* session) {
    exchange.user_ = property(session, GSASL_AUTHID);
    const Credential* credential = exchange.credential();
    // As long for those who are not there.
    const bool same = same_secret(property(session, GSASL_PASSWORD), credential ? credential->password : exchange.key_);
    return same && credential != nullptr ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
  }

  static int secret(SaslExchange& exchange, Gsasl_session* session, Gsasl_property what) {
    exchange.user_ = property(session, GSASL_AUTHID);
    const Credential* credential = exchange.credential();
    const Credential made_up = credential ? Credential() : nobody(exchange);
    const Credential& from = credential ? *credential : made_up;
    switch (what) {
      case GSASL_DIGEST_MD5_HASHED_PASSWORD:
        return from.digest.empty() ? GSASL_NO_CALLBACK : give(session, what, from.digest);
      case GSASL_PASSWORD:
        return from.password.empty() ? GSASL_NO_CALLBACK : give(session, what, from.password);
      case GSASL_SCRAM_ITER:
        return give(session, what, std::to_string(from.iterations));
      case GSASL_SCRAM_SALT:
        return give(session, what, from.salt);
      case GSASL_SCRAM_STOREDKEY:
        return give(session, what, from.stored_key);
      case GSASL_SCRAM_SERVERKEY:
        return give(session, what, from.server_key);
      default:
        return GSASL_NO_CALLBACK;
    }
  }

  // A credential that nobody can have the password of, the same each time
  // somebody asks for that user, and of the looks of a real one.
  static Credential nobody(const SaslExchange& exchange) {
    const Mechanism mechanism = without_binding(exchange.settings_.mechanism);
    const Credential* like = exchange.settings_.credentials->any(exchange.qualifier());
    const std::string seed = exchange.entry() + '\0' + std::string(name(mechanism));
    const auto derive = [&](std::string_view what, size_t size) {
      std::string bytes;
      while (bytes.size() < size) bytes += keyed_hash(exchange.key_, seed + '\0' + std::string(what) + bytes);
      bytes.resize(size);
      return bytes;
    };
    Credential made_up;
    if (is_scram(mechanism)) {
      const size_t key_size = mechanism == Mechanism::scram_sha_256 ? 32 : 20;
      std::string salt;
      if (like) from_base64(like->salt, salt);
      made_up.iterations = like ? like->iterations : 4096;
      made_up.salt = to_base64(derive("salt", salt.empty() ? 16 : salt.size()));
      made_up.stored_key = to_base64(derive("stored key", key_size));
      made_up.server_key = to_base64(derive("server key", key_size));
    } else {
      made_up.password = to_base64(derive("password", 32));
    }
    return made_up;
  }
};

std::string SaslExchange::qualifier() const {
  return credential_qualifier(settings_.mechanism, settings_.realms, settings_.realm);
}

std::string SaslExchange::entry() const { return settings_.entry ? settings_.entry(user_) : user_; }

const Credential* SaslExchange::credential() const { return settings_.credentials->find(entry(), qualifier()); }

SaslExchange::~SaslExchange() {
  if (session_ != nullptr) gsasl_finish(session_);
}

SaslExchange::Step SaslExchange::step(std::string_view response) {
  if (over_) return {};
  if (last_word_) {
    if (response.empty()) return finish();
    over_ = true;
    return {};
  }
  if (++steps_ > most_steps) {
    over_ = true;
    return {};
  }
  // The client has the first word and did not say it yet.
  if (steps_ == 1 && is_client_first(settings_.mechanism) && response.empty()) return {State::more, {}};
  if (is_misbound(response)) {
    over_ = true;
    return {};
  }
  char* output = nullptr;
  size_t length = 0;
  const int code = gsasl_step(session_, response.data(), response.size(), &output, &length);
  Step step;
  if (output != nullptr) step.output.assign(output, length);
  std::free(output);  // NOLINT(cppcoreguidelines-no-malloc): it comes from a C library
  if (code == GSASL_NEEDS_MORE) {
    // Nobody has written down what LOGIN asks; there are clients that look for this.
    if (settings_.mechanism == Mechanism::login && settings_.service == "smtp")
      step.output = steps_ == 1 ? "Username:" : "Password:";
    step.state = State::more;
    return step;
  }
  if (code != GSASL_OK) {
    if (user_.empty()) user_ = property(session_, GSASL_AUTHID);
    over_ = true;
    return {};
  }
  if (step.output.empty()) return finish();
  // The last word tells that the proof was good: not to one who may not come in.
  if (!admitted()) {
    over_ = true;
    return {};
  }
  last_word_ = true;
  step.state = State::more;
  return step;
}

// Of SCRAM without PLUS: a client that binds the channel all the same, and one
// that could and saw no PLUS on offer, where there was one: somebody in between
// took it away (RFC 5802 §6).
bool SaslExchange::is_misbound(std::string_view response) const {
  if (!is_scram(settings_.mechanism) || binds_channel(settings_.mechanism)) return false;
  return response.starts_with("p=") || (settings_.channel_binding && response.starts_with("y,"));
}

// The mechanism is content. Nobody may become somebody else by it.
bool SaslExchange::admitted() {
  user_ = property(session_, GSASL_AUTHID);
  const std::string as = property(session_, GSASL_AUTHZID);
  const Credential* used = credential();
  if (used == nullptr || (!as.empty() && as != user_)) return false;
  if (settings_.admits && !settings_.admits(user_)) return false;
  fingerprint_ = used->fingerprint;
  return true;
}

SaslExchange::Step SaslExchange::finish() {
  over_ = true;
  if (!last_word_ && !admitted()) return {};
  return {State::done, {}};
}

Sasl::Sasl(Gsasl* library) : library_(library), key_(random_bytes(32)) {
  gsasl_callback_set(library_, &SaslExchange::Ask::callback);
}

Sasl::~Sasl() { gsasl_done(library_); }

Result<std::unique_ptr<Sasl>> Sasl::create() {
  Gsasl* library = nullptr;
  if (const int code = gsasl_init(&library); code != GSASL_OK)
    return fail(Errc::unavailable, "GNU SASL: {}", gsasl_strerror(code));
  return std::unique_ptr<Sasl>(new Sasl(library));
}

Result<std::unique_ptr<SaslExchange>> Sasl::begin(SaslSettings settings) const {
  const std::string mechanism(name(settings.mechanism));
  std::unique_ptr<SaslExchange> exchange(new SaslExchange(std::move(settings), key_));
  if (const int code = gsasl_server_start(library_, mechanism.c_str(), &exchange->session_); code != GSASL_OK) {
    exchange->session_ = nullptr;
    return fail(Errc::unavailable, "{}: {}", mechanism, gsasl_strerror(code));
  }
  gsasl_session_hook_set(exchange->session_, exchange.get());
  return exchange;
}

}  // namespace impulse::auth
