// AUTH (RFC 4954): what auth::Login decides, in SMTP's words and base64.
#include "smtp/server_impl.h"

#include "auth/password.h"
#include "base/text.h"

namespace impulse::smtp {

void ServerSession::Impl::on_auth(const Command& command) {
  if (policy_->auth_sources.empty() && !policy_->auth_external) return refuse(reply::not_available, "syntax");
  if (tls_missing()) return;
  if (greeting_ != Greeting::ehlo) return refuse(reply::greet_first, "bad_sequence");
  if (transaction_.open) return refuse(reply::bad_sequence, "bad_sequence");
  if (login_.settled()) return refuse(reply::authenticated_already, "bad_sequence");
  const std::vector<std::string_view> given = words(command.arguments);
  if (given.empty() || given.size() > 2) return refuse(reply::needs_argument, "syntax");

  const auth::Login::Begun begun = login_.begin(scene(), given[0]);
  switch (begun) {
    case auth::Login::Begun::unknown_mechanism:
      return refuse(reply::unknown_mechanism, "auth");
    case auth::Login::Begun::refused:
      return refuse(login_.refusal());
    case auth::Login::Begun::needs_tls:
      return refuse(reply::auth_needs_tls, "auth_weak");
    case auth::Login::Begun::trouble:
      return refuse(reply::auth_trouble, "auth");
    case auth::Login::Begun::exchange:
    case auth::Login::Begun::external:
      break;
  }
  const bool external = begun == auth::Login::Begun::external;
  if (given.size() < 2) return answer_auth(external ? auth::Login::State::challenge : login_.step(*policy_, {}));
  std::string response;
  if (given[1] != "=" && !auth::from_base64(given[1], response)) {
    login_.cancel();
    return refuse(reply::not_base64, "syntax");
  }
  answer_auth(external ? login_.external(response) : login_.first(*policy_, response));
}

void ServerSession::Impl::on_auth_line(const LineReader::Result& read) {
  phase_ = Phase::command;
  const auto refused = [&](const ServerReply& reply) {
    login_.cancel();
    refuse(reply, "syntax");
  };
  if (read.event == LineReader::Event::too_long) return refused(reply::auth_too_long);
  if (read.line == "*") return refused(reply::auth_cancelled);
  std::string response;
  if (!auth::from_base64(read.line, response)) return refused(reply::not_base64);
  answer_auth(login_.in_exchange() ? login_.step(*policy_, response) : login_.external(response));
}

void ServerSession::Impl::answer_auth(auth::Login::State state) {
  switch (state) {
    case auth::Login::State::challenge:
      phase_ = Phase::auth;
      append_auth_challenge(out_->reply, auth::to_base64(login_.challenge()));
      out_->restart_deadline = true;
      return;
    case auth::Login::State::success:
      return say(reply::authenticated);
    case auth::Login::State::failure:
      return auth_failed();
    case auth::Login::State::not_initially:
      return refuse(reply::needs_argument, "syntax");
  }
}

void ServerSession::Impl::auth_failed() {
  const bool may_go_on = login_.may_go_on(*policy_);
  refuse(reply::bad_credentials, "auth");
  if (phase_ == Phase::closed) return;
  out_->delay = auth::penalized(out_->delay);
  if (may_go_on) return;
  note(reply::too_many_failures, "auth", reply::too_many_failures.text);
  say(reply::too_many_failures);
  close();
}

}  // namespace impulse::smtp
