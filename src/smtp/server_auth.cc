// AUTH (RFC 4954) over auth::SaslExchange, and the identities that a session
// has without it: a client certificate, a pre-shared key, a PROXY header.
#include "smtp/server_impl.h"

#include "auth/password.h"
#include "base/text.h"

#include <algorithm>

namespace impulse::smtp {

namespace {

constexpr std::string_view external = "EXTERNAL";
// How long somebody who failed waits for being told.
constexpr std::chrono::seconds penalty{1};
constexpr std::chrono::seconds longest_penalty{60};

}  // namespace

// Nobody can listen: the password itself may be said.
bool ServerSession::Impl::secure() const {
  return tls_.has_value() || client_.unix_socket || client_.address.is_loopback();
}

bool ServerSession::Impl::may_use(const auth::Source& source) const {
  if (auth::binds_channel(source.mechanism) && !tls_) return false;
  return !policy_->auth_requires_tls || secure() || !auth::sends_password(source.mechanism);
}

std::vector<std::string> ServerSession::Impl::mechanisms() const {
  std::vector<std::string> names;
  for (const auth::Source& source : policy_->auth_sources)
    if (may_use(source) && host_.usable(source)) names.emplace_back(auth::name(source.mechanism));
  if (policy_->auth_external && implicit_) names.emplace_back(external);
  return names;
}

bool ServerSession::Impl::auth_offered() const { return !mechanisms().empty(); }

bool ServerSession::Impl::authenticated() const {
  return !policy_->always_deny && (policy_->always_allow || !user_.empty());
}

void ServerSession::Impl::take_identity() {
  const std::string& named = tls_ && !tls_->identity.empty() ? tls_->identity : client_.identity;
  if (named.empty() || policy_->always_deny) return;
  implicit_ = true;
  auth_done(named, external);
}

void ServerSession::Impl::auth_done(std::string user, std::string_view how) {
  user_ = std::move(user);
  user_how_ = how;
  host_.authenticated({user_how_, user_, true, exchange_logs_});
}

void ServerSession::Impl::on_auth(const Command& command) {
  if (policy_->auth_sources.empty() && !policy_->auth_external) return refuse(reply::not_available, "syntax");
  if (tls_missing()) return;
  if (greeting_ != Greeting::ehlo) return refuse(reply::greet_first, "bad_sequence");
  if (transaction_.open) return refuse(reply::bad_sequence, "bad_sequence");
  if (!user_.empty() && !implicit_) return refuse(reply::authenticated_already, "bad_sequence");
  const std::vector<std::string_view> given = words(command.arguments);
  if (given.empty() || given.size() > 2) return refuse(reply::needs_argument, "syntax");

  if (iequals(given[0], external) && policy_->auth_external && implicit_) {
    // The identity asked for, if any, must be the one that the connection has.
    std::string asked;
    if (given.size() == 2 && given[1] != "=" && !auth::from_base64(given[1], asked))
      return refuse(reply::not_base64, "syntax");
    exchange_logs_ = true;
    if (given.size() == 2 && (asked.empty() || asked == user_)) {
      implicit_ = false;
      return say(reply::authenticated);
    }
    if (given.size() == 2) return auth_failed(reply::bad_credentials);
  }
  const auto source =
      std::find_if(policy_->auth_sources.begin(), policy_->auth_sources.end(),
                   [&](const auth::Source& each) { return iequals(auth::name(each.mechanism), given[0]); });
  const bool by_connection = iequals(given[0], external) && policy_->auth_external && implicit_;
  if (source == policy_->auth_sources.end() && !by_connection) return refuse(reply::unknown_mechanism, "auth");
  if (auto refusal = host_.may_authenticate()) return refuse(*refusal);
  if (by_connection) {  // without an initial response: ask for it
    phase_ = Phase::auth;
    append_auth_challenge(out_->reply, "");
    out_->restart_deadline = true;
    return;
  }
  if (!may_use(*source)) return refuse(reply::auth_needs_tls, "auth_weak");
  auto exchange = host_.authenticate(*source);
  if (!exchange) return refuse(reply::auth_trouble, "auth");
  exchange_ = std::move(*exchange);
  exchange_logs_ = source->log;
  if (given.size() < 2) return auth_step({});
  std::string response;
  if (given[1] != "=" && !auth::from_base64(given[1], response)) {
    exchange_.reset();
    return refuse(reply::not_base64, "syntax");
  }
  if (!auth::is_client_first(source->mechanism)) {
    // Only LOGIN's clients send something ahead here: the user's name.
    const auth::SaslExchange::Step challenge = exchange_->step({});
    if (source->mechanism != auth::Mechanism::login || challenge.state != auth::SaslExchange::State::more) {
      exchange_.reset();
      return refuse(reply::needs_argument, "syntax");
    }
  }
  auth_step(response);
}

void ServerSession::Impl::on_auth_line(const LineReader::Result& read) {
  phase_ = Phase::command;
  const auto refused = [&](const ServerReply& reply) {
    exchange_.reset();
    refuse(reply, "syntax");
  };
  if (read.event == LineReader::Event::too_long) return refused(reply::auth_too_long);
  if (read.line == "*") return refused(reply::auth_cancelled);
  std::string response;
  if (!auth::from_base64(read.line, response)) return refused(reply::not_base64);
  if (exchange_ != nullptr) return auth_step(response);
  // EXTERNAL, asked for without an initial response.
  if (!response.empty() && response != user_) return auth_failed(reply::bad_credentials);
  implicit_ = false;
  say(reply::authenticated);
}

void ServerSession::Impl::auth_step(std::string_view response) {
  const auth::SaslExchange::Step step = exchange_->step(response);
  if (step.state == auth::SaslExchange::State::more) {
    phase_ = Phase::auth;
    append_auth_challenge(out_->reply, auth::to_base64(step.output));
    out_->restart_deadline = true;
    return;
  }
  if (step.state == auth::SaslExchange::State::done && !policy_->always_deny) {
    implicit_ = false;
    auth_done(exchange_->user(), auth::name(exchange_->mechanism()));
    exchange_.reset();
    return say(reply::authenticated);
  }
  if (policy_->always_allow && !policy_->always_deny) {
    host_.authenticated({auth::name(exchange_->mechanism()), "anonymous", true, exchange_logs_});
    exchange_.reset();
    return say(reply::authenticated);
  }
  auth_failed(reply::bad_credentials);
}

void ServerSession::Impl::auth_failed(const ServerReply& reply) {
  host_.authenticated({exchange_ ? auth::name(exchange_->mechanism()) : external,
                       exchange_ ? std::string_view(exchange_->user()) : std::string_view(), false, exchange_logs_});
  exchange_.reset();
  ++auth_failures_;
  refuse(reply, "auth");
  if (phase_ == Phase::closed) return;
  // Each of several guesses in one stretch of bytes waits for its own.
  out_->delay = std::max(out_->delay, std::min<Duration>(out_->delay + penalty, longest_penalty));
  if (policy_->auth_failure_limit == 0 || auth_failures_ < policy_->auth_failure_limit) return;
  note(reply::too_many_failures, "auth", reply::too_many_failures.text);
  say(reply::too_many_failures);
  close();
}

}  // namespace impulse::smtp
