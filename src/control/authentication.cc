#include "control/authentication.h"

#include "auth/password.h"
#include "base/text.h"

#include <utility>

namespace impulse::control {

namespace {

Authentication::Reply said(Answer answer) {
  Authentication::Reply reply;
  reply.answer = std::move(answer);
  return reply;
}

}  // namespace

std::string loggable_authenticate(std::string_view rest) {
  const auto given = words(rest);
  if (given.empty()) return "authenticate";
  const auto mechanism = auth::find_mechanism(given.front());
  return fmt::format("authenticate {}", mechanism ? name(*mechanism) : "(redacted)");
}

Authentication::Reply Authentication::begin(Access& access, std::string_view rest) {
  const auto given = words(rest);
  if (given.empty() || given.size() > 2)
    return said(Answer::error(
        Code::usage, "control-usage",
        "a mechanism and its first message are expected at most; usage: authenticate [MECHANISM [INITIAL]]"));
  const Access::Standing who = access.standing();
  if (who.authenticated && who.how != "Always_Allow")
    return said(Answer::error(Code::failed, "auth-already", fmt::format("this session is {}'s", who.user)));
  if (auto why = access.locked_out()) {
    Answer answer = Answer::error(Code::denied, "auth-locked-out", std::move(*why));
    answer.finish = true;
    return said(std::move(answer));
  }
  const auto mechanism = auth::find_mechanism(given.front());
  auto exchange =
      mechanism
          ? access.begin(*mechanism)
          : Result<std::unique_ptr<auth::SaslExchange>>(impulse::fail(Errc::not_found, "no such mechanism is known"));
  if (!exchange) return fail(access, Code::usage, "auth-no-mechanism", exchange.error().message);
  std::string initial;
  if (given.size() == 2) {
    if (!is_client_first(*mechanism))
      return said(Answer::error(Code::usage, "control-usage",
                                fmt::format("{} begins with the server: no initial response", name(*mechanism))));
    if (given[1] != "=" && !auth::from_base64(given[1], initial))
      return fail(access, Code::usage, "auth-bad-base64", "the initial response is not base64");
  }
  exchange_ = std::move(*exchange);
  return step(access, initial);
}

Authentication::Reply Authentication::answer(Access& access, std::string_view line) {
  if (line == "*") {
    exchange_.reset();
    return said(Answer::error(Code::failed, "auth-cancelled", "cancelled by the client"));
  }
  std::string response;
  if (!auth::from_base64(line, response))
    return fail(access, Code::usage, "auth-bad-base64", "the response is not base64");
  return step(access, response);
}

Authentication::Reply Authentication::step(Access& access, std::string_view response) {
  auth::SaslExchange::Step step = exchange_->step(response);
  if (step.state == auth::SaslExchange::State::more) {
    Reply reply;
    reply.challenge = auth::to_base64(step.output);
    return reply;
  }
  if (step.state == auth::SaslExchange::State::done && access.succeeded(*exchange_)) {
    Answer answer;
    answer.status.with("user", exchange_->user()).with("mechanism", std::string(name(exchange_->mechanism())));
    exchange_.reset();
    return said(std::move(answer));
  }
  return fail(access, Code::denied, "auth-failed", "authentication failed");
}

Authentication::Reply Authentication::fail(Access& access, Code code, std::string id, std::string text) {
  const auto exchange = std::exchange(exchange_, nullptr);
  Reply reply = said(Answer::error(code, std::move(id), std::move(text)));
  reply.answer.finish = access.failed(exchange ? std::string_view(exchange->user()) : std::string_view());
  reply.failed = true;
  return reply;
}

}  // namespace impulse::control
