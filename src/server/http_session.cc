#include "server/http_session.h"

#include "auth/keys.h"
#include "base/text.h"
#include "config/keys.h"
#include "http/error.h"

#include <fmt/format.h>

#include <utility>

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Counter;
using telemetry::Level;

namespace {

// Causes of the engine's own refusals, in the words of the counters.
std::string_view cause_of(std::string_view engines) {
  if (engines == "size") return "size";
  if (engines == "timeout" || engines == "memory") return engines;
  if (engines == "header_size" || engines == "request_line_length") return "command_length";
  return "syntax";
}

}  // namespace

void HttpSession::begin(SessionServices& services, Worker& worker, uint64_t id, Incoming incoming) {
  std::unique_ptr<HttpSession> session(new HttpSession(services, worker, id, incoming));
  serve(std::move(session), std::move(incoming));
}

HttpSession::HttpSession(SessionServices& services, Worker& worker, uint64_t id, const Incoming& incoming)
    : ClientSession(services, worker, id, incoming, Area::http), gate_(services.auth) {}

void HttpSession::make_engine() {
  rules_ = http_rules(options());
  info_ = client_info();
  if (proxied() != nullptr && options()[key::proxy_identity_as_user] && proxied()->header.tls &&
      proxied()->header.tls->verified)
    identity_ = own_identity(proxied()->header.tls->common_name);
  engine_ = std::make_unique<http::ServerSession>(rules_->wire, static_cast<http::ServerHost&>(*this));
}

void HttpSession::open(const net::TlsInfo* tls) {
  if (tls != nullptr) {
    tls_ = fmt::format("{} {}", tls->version, tls->cipher);
    tls_bits_ = static_cast<unsigned>(tls->bits);
    certificate_ = tls->peer != nullptr && tls->peer->verified;
    if (std::string identity = identity_of(*tls); !identity.empty()) identity_ = std::move(identity);
  }
  if (rules_->deny) {
    engine_->turn_away(
        refuse({403, "denied", "denied", "clients from this address are not served", 0, true}, "connect"), out_);
  }
  carry_out();
}

void HttpSession::turn_away(const smtp::HostRefusal& refusal) {
  engine_->turn_away(refuse(to_http(refusal), "connect"), out_);
  carry_out();
}

size_t HttpSession::on_data(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size() && out_.next != http::Next::answer) {
    const size_t taken = engine_->feed(bytes.substr(used), out_);
    used += taken;
    if (taken == 0) break;
  }
  // The engine said as much as may lie in memory: the client has to read first.
  const bool stalled = used < bytes.size() && out_.next == http::Next::read;
  carry_out();
  if (stalled) {
    connection().pause_reading();
    connection().want_drained();
  }
  return used;
}

void HttpSession::on_drained() {
  if (out_.next != http::Next::answer) connection().resume_reading();
}

// Sends what the engine has to say, then does what it asks for.
void HttpSession::carry_out() {
  if (!out_.reply.empty()) {
    connection().write(out_.reply);
    out_.reply.clear();
    if (out_.reply.capacity() > 65536) out_.reply.shrink_to_fit();
  }
  switch (out_.next) {
    case http::Next::read:
      arm_deadline();
      if (newer_unseen()) configuration_changed();
      return;
    case http::Next::answer:
      // What is pipelined behind it waits in the connection.
      connection().pause_reading();
      arm_deadline();
      handle(engine_->take_request());
      return;
    case http::Next::close:
      finish();
      return;
  }
}

// One deadline for what is waited for; the engine says when it begins anew.
void HttpSession::arm_deadline() {
  if (!std::exchange(out_.restart_deadline, false) && armed_ == out_.waiting) return;
  armed_ = out_.waiting;
  connection().deadline(engine_->deadline(out_.waiting));
}

void HttpSession::answer(const http::Response& response) {
  HttpCaller caller = std::move(task_.caller);
  task_ = {};
  task_.caller = std::move(caller);  // replied() asks whose it was
  engine_->answered(response, out_);
  task_.caller = {};
  carry_out();
  // Who does not read what is said does not hear more of it.
  if (connection().unsent() > http::ServerSession::reply_limit)
    connection().want_drained();
  else
    connection().resume_reading();
}

void HttpSession::expired() {
  engine_->timed_out(out_);
  carry_out();
}

void HttpSession::configuration_changed() {
  // A busy session looks when it is idle again, or at its next safe point.
  if (out_.next != http::Next::read || engine_->state() != "idle") return;
  if (!follow()) say_end({});
}

// What a request asks for is under the configuration of its time. A connection
// that should not be as it is any more hears so with its next answer: to close
// it while it is idle would meet requests on their way.
Result<> HttpSession::follow() {
  const auto moved = move_along(parting_);
  if (!moved) return std::unexpected(moved.error());
  if (*moved) rules_ = http_rules(options());
  return {};
}

void HttpSession::say_end(std::string_view) {
  const bool answering = out_.next == http::Next::answer;
  engine_->shut_down(out_);
  if (!answering) carry_out();
}

void HttpSession::kill() {
  if (handshaking() || out_.next == http::Next::close) return drop();  // nothing can be said (any more)
  const bool answering = out_.next == http::Next::answer;
  engine_->kill("session ended by the administrator", out_);
  if (!answering || out_.next != http::Next::answer) carry_out();
}

void HttpSession::fill(control::InboundSession& row) const {
  row.user = user_;
  row.state = engine_->state();
  row.tls = !tls_.empty();
  row.messages = messages_;
  row.recipients = recipients_;
}

void HttpSession::refused(const smtp::Refusal& refusal) { refuse_for_log(refusal, "connect", {}, {}); }

http::Response HttpSession::refuse(const HttpRefusal& refusal, std::string_view phase) {
  smtp::Refusal told;
  told.code = refusal.status;
  told.cause = refusal.cause;
  told.text = refusal.reason;
  refuse_for_log(told, phase, {}, task_.caller.user, task_.caller.tenant);
  http::Response response = to_response(refusal);
  if (refusal.status == 401) HttpGate::challenge(*rules_, response);
  return response;
}

WallTime HttpSession::now() { return wall_now(); }

std::string HttpSession::make_id() { return fmt::format("{:016x}", task_.number = services().http.number()); }

Result<std::shared_ptr<const http::Policy>> HttpSession::safe_point() {
  if (const auto followed = follow(); !followed) return std::unexpected(followed.error());
  return rules_->wire;
}

// Those who came before the memory was full do not fill it up together.
bool HttpSession::on_growth(size_t) {
  const auto closed = services().admission.closed(worker().snapshot->global(), worker().loop->now());
  return !closed || closed->cause != "memory";
}

void HttpSession::replied(const http::Replied& replied) {
  telemetry::Counters& counters = services().counters;
  counters.add(tenant() != nullptr ? tenant() : counters.tenant(task_.caller.tenant), Counter::http_requests);
  const bool engines = replied.cause != "answered" && replied.cause != "host";
  if (engines && replied.cause != "shutdown") {
    smtp::Refusal told;
    told.code = replied.status;
    told.cause = cause_of(replied.cause);
    told.text = replied.message;
    refuse_for_log(told, replied.received == 0 ? "head" : "data", {}, task_.caller.user, task_.caller.tenant);
  }
  const Level level = rules_->log_requests ? Level::notice : Level::info;
  if (!services().log.wants(level, Area::http)) return;
  std::string what = "no request";
  std::string id = "-";
  if (replied.head != nullptr) {
    what = fmt::format("{} {}", http::method_name(replied.head->method),
                       escape_line(auth::without_keys(replied.head->target), 255));
    id = auth::without_keys(replied.head->id);
  }
  services().log.write(
      level, Area::http, "request",
      fmt::format("session {} from {}: {}: {} ({}), {} bytes in, {} out, id {}", this->id(), peer().to_string(), what,
                  replied.status, replied.cause, replied.received, replied.sent, id));
}

}  // namespace impulse::server
