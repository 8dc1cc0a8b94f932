#include "server/mail_session.h"

#include "config/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Level;

namespace {

// What a proxy said of the client, as far as the engine is concerned.
void describe(const Proxied& proxied, bool identity_as_user, smtp::ClientInfo& info) {
  const net::ProxyHeader& header = proxied.header;
  if (!header.destination.is_unix()) {
    info.destination = header.destination.address();
    info.destination_port = header.destination.port();
  }
  if (identity_as_user && header.tls && header.tls->verified) info.identity = header.tls->common_name;
}

}  // namespace

void MailSession::begin(SessionServices& services, Worker& worker, uint64_t id, Incoming incoming) {
  std::unique_ptr<MailSession> session(new MailSession(services, worker, id, incoming));
  serve(std::move(session), std::move(incoming));
}

MailSession::MailSession(SessionServices& services, Worker& worker, uint64_t id, const Incoming& incoming)
    : ClientSession(services, worker, id, incoming, Area::smtp), tarpit_(*worker.loop, [this] { reply_sent(); }) {}

void MailSession::make_engine() {
  smtp::ClientInfo info = client_info();
  if (proxied() != nullptr) describe(*proxied(), options()[key::proxy_identity_as_user], info);
  info.identity = own_identity(std::move(info.identity));
  engine_ = std::make_unique<smtp::ServerSession>(policy_for(options()), std::move(info),
                                                  static_cast<smtp::ServerHost&>(*this));
}

std::shared_ptr<const smtp::Policy> MailSession::policy_for(const config::Options& options) const {
  const bool tls = tls_context(options) != nullptr;
  return options.derived<smtp::Policy>([&](const config::Options& chain) {
    return smtp::make_policy(chain, tls, listener() == config::ScopeKind::lmtp_listener);
  });
}

void MailSession::turn_away(const smtp::HostRefusal& refusal) {
  engine_->turn_away(refusal, out_);
  carry_out();
}

void MailSession::open(const net::TlsInfo* tls) {
  engine_->start(tls == nullptr ? std::nullopt : std::optional(tls_state(*tls)), out_);
  carry_out();
}

size_t MailSession::on_data(std::string_view bytes) {
  size_t used = 0;
  // One turn a submission: what is pipelined behind it waits in the connection.
  while (used < bytes.size() && !holding_ && out_.next == smtp::Next::read) {
    const size_t taken = engine_->feed(bytes.substr(used), out_);
    used += taken;
    if (taken == 0 || out_.delay > Duration::zero()) break;
  }
  // The engine said as much as may lie in memory: the client has to read first.
  const bool stalled =
      used < bytes.size() && !holding_ && out_.next == smtp::Next::read && out_.delay == Duration::zero();
  carry_out();
  if (stalled) {
    connection().pause_reading();
    connection().want_drained();
  }
  return used;
}

void MailSession::on_drained() { connection().resume_reading(); }

// Sends what the engine has to say, then does what it asks for.
void MailSession::carry_out() {
  if (holding_) return;
  if (out_.delay > Duration::zero()) {
    holding_ = true;
    connection().pause_reading();
    connection().deadline(Duration::zero());
    armed_.reset();
    tarpit_.start(out_.delay);
    out_.delay = Duration::zero();
    return;
  }
  if (!out_.reply.empty()) {
    connection().write(out_.reply);
    out_.reply.clear();
    if (out_.reply.capacity() > 8192) out_.reply.shrink_to_fit();
  }
  switch (out_.next) {
    case smtp::Next::read:
      arm_deadline();
      if (newer_unseen()) configuration_changed();
      return;
    case smtp::Next::submit:
      connection().pause_reading();
      connection().deadline(Duration::zero());
      armed_.reset();
      submit();
      return;
    case smtp::Next::start_tls:
      armed_ = smtp::Waiting::tls;
      start_tls();
      return;
    case smtp::Next::close:
      finish();
      return;
  }
}

// The tarpit's time is over: the held reply leaves, reading goes on.
void MailSession::reply_sent() {
  holding_ = false;
  connection().resume_reading();
  carry_out();
}

// One deadline for what is waited for. The engine says when it begins anew, so
// that a client that sends single bytes gains no time by them.
void MailSession::arm_deadline() {
  if (!std::exchange(out_.restart_deadline, false) && armed_ == out_.waiting) return;
  armed_ = out_.waiting;
  connection().deadline(engine_->deadline(out_.waiting));
}

void MailSession::submit() {
  smtp::Submission submission = engine_->take_submission();
  spool::Incoming incoming;
  incoming.envelope = std::move(submission.envelope);
  incoming.trace = std::move(submission.trace);
  incoming.id_offset = submission.id_offset;
  incoming.body = std::move(submission.body);
  incoming.rest = std::move(submission.rest);
  // What is accepted counts, whether its client is still there or not.
  services().injector.submit(std::move(incoming), {std::move(submission.protocol), id()}, *worker().loop,
                             [self = self(), ticket = visit().ticket()](const Result<MessageId>& result) {
                               if (result && ticket != nullptr) ticket->accepted();
                               if (*self != nullptr) static_cast<MailSession*>(*self)->submitted(result);
                             });
}

void MailSession::submitted(const Result<MessageId>& result) {
  if (result) {
    visit().accepted();
  } else {
    visit().not_accepted();
    services().log.write(Level::error, Area::spool, "message-refused",
                         fmt::format("session {}: {}", id(), result.error().message));
    smtp::Refusal refusal;
    refusal.code = result.error().code == Errc::no_space ? 452 : 451;
    refusal.cause = "spool";
    refusal.text = result.error().message;
    refused(refusal);
  }
  out_.next = smtp::Next::read;
  engine_->submitted(result, services().node, out_);
  carry_out();
  connection().resume_reading();
}

void MailSession::upgraded(const net::TlsInfo& info) {
  armed_.reset();
  out_.next = smtp::Next::read;
  engine_->tls_started(tls_state(info), out_);
  carry_out();
}

void MailSession::expired() {
  engine_->timed_out(out_);
  carry_out();
}

Result<std::shared_ptr<const smtp::Policy>> MailSession::safe_point() {
  const auto moved = move_on();
  if (!moved) return std::unexpected(moved.error());
  if (!*moved) return nullptr;
  return policy_for(options());
}

// XCLIENT, XREMOTEIP: from now on under the rules of that address.
Result<std::shared_ptr<const smtp::Policy>> MailSession::client_is(const smtp::ClientInfo& client) {
  if (auto become = ClientSession::become(client.address); !become) return std::unexpected(become.error());
  return policy_for(options());
}

void MailSession::configuration_changed() {
  // A busy session looks when it is idle again, or at its next safe point.
  if ((armed_ != smtp::Waiting::command && armed_ != smtp::Waiting::greeting) || holding_ ||
      out_.next != smtp::Next::read || engine_->in_transaction())
    return;
  if (const auto looked = look_at_newer(); !looked) {
    engine_->shut_down(looked.error().message, out_);
    carry_out();
  }
}

void MailSession::say_end(std::string_view text) {
  engine_->shut_down(text, out_);
  if (out_.next == smtp::Next::close || !out_.reply.empty()) carry_out();
}

void MailSession::retrace() {
  engine_->trace(services().tracers.any()
                     ? services().tracers.inbound(client(), fmt::format("in:{} {}", id(), peer().to_string()))
                     : nullptr);
}

void MailSession::kill() {
  // Nothing can be said yet, or any more.
  if (handshaking() || out_.next == smtp::Next::start_tls || out_.next == smtp::Next::close) return drop();
  const bool held = std::exchange(holding_, false);
  if (held) tarpit_.stop();
  engine_->kill("4.3.2 Session ended by the administrator", out_);
  out_.delay = Duration::zero();
  // A message that the tarpit held back goes its way first.
  if (held || out_.next == smtp::Next::close) carry_out();
}

void MailSession::fill(control::InboundSession& row) const {
  row.helo = engine_->helo();
  row.user = engine_->user();
  row.state = engine_->state();
  row.tls = engine_->tls().has_value();
  row.messages = engine_->messages();
  row.recipients = engine_->recipients();
}

std::optional<smtp::HostRefusal> MailSession::admit(Stage stage) { return visit().admit(guest(), stage); }

WallTime MailSession::now() { return wall_now(); }

void MailSession::refused(const smtp::Refusal& refusal) {
  if (engine_->state() == "data") visit().not_accepted();  // it is the message
  refuse_for_log(refusal, engine_->state(), engine_->helo(), engine_->user());
}

AuthDesk::Visitor MailSession::visitor() const {
  return {options(), engine_->client(), engine_->policy().tenant, id(), worker().snapshot};
}

std::optional<smtp::HostRefusal> MailSession::may_authenticate() { return services().auth.may_try(visitor()); }

bool MailSession::usable(const auth::Source& source) { return can_authenticate(source); }

Result<std::unique_ptr<auth::SaslExchange>> MailSession::authenticate(const auth::Source& source) {
  return begin_exchange(visitor(), source, engine_->policy().auth_sources);
}

void MailSession::authenticated(const AuthOutcome& outcome) { services().auth.told(visitor(), outcome); }

}  // namespace impulse::server
