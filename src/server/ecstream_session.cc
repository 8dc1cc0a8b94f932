#include "server/ecstream_session.h"

#include "base/text.h"
#include "config/keys.h"
#include "smtp/relay.h"

#include <fmt/format.h>

#include <utility>

namespace impulse::server {

namespace key = config::key;
using ecstream::GoAway;
using ecstream::Next;
using telemetry::Area;
using telemetry::Level;

namespace {

// The owner of a stream's receipts: streams of different users do not meet.
// Those nobody knows are told apart by their address: a stranger shall not end,
// or confuse, what another one sends.
std::string owner_of(std::string_view tenant, std::string_view user, const IpAddress& client) {
  return fmt::format("ecstream{0}{1}{0}{2}{0}{3}", '\0', lower(tenant), user.empty() ? "from" : "user",
                     user.empty() ? client.to_string() : user);
}

Result<ecstream::StreamMemory> memory_in(const Result<std::optional<spool::Receipt>>& receipt) {
  if (!receipt) return std::unexpected(receipt.error());
  if (!*receipt) return ecstream::StreamMemory{};
  return ecstream::StreamMemory::decode((*receipt)->value);
}

spool::Incoming incoming_of(ecstream::TakenMessage& taken) {
  spool::Incoming incoming;
  incoming.envelope = std::move(taken.envelope);
  incoming.trace = std::move(taken.trace);
  incoming.id_offset = taken.id_offset;
  incoming.body = std::move(taken.body);
  incoming.rest = std::move(taken.rest);
  return incoming;
}

}  // namespace

void EcstreamSession::begin(SessionServices& services, Worker& worker, uint64_t id, Incoming incoming) {
  std::unique_ptr<EcstreamSession> session(new EcstreamSession(services, worker, id, incoming));
  serve(std::move(session), std::move(incoming));
}

EcstreamSession::EcstreamSession(SessionServices& services, Worker& worker, uint64_t id, const Incoming& incoming)
    : ClientSession(services, worker, id, incoming, Area::ecstream), tarpit_(*worker.loop, [this] { reply_sent(); }) {}

void EcstreamSession::make_engine() {
  net::ClientInfo info = client_info();
  if (proxied() != nullptr && options()[key::proxy_identity_as_user] && proxied()->header.tls &&
      proxied()->header.tls->verified)
    info.identity = own_identity(proxied()->header.tls->common_name);
  rules_ = ecstream_rules(options());
  engine_ = std::make_unique<ecstream::ServerSession>(rules_->wire, std::move(info),
                                                      static_cast<ecstream::ServerHost&>(*this));
}

void EcstreamSession::open(const net::TlsInfo* tls) {
  std::optional<net::TlsState> state;
  if (tls != nullptr) state = tls_state(*tls);
  verified_ = state && state->verified;
  engine_->start(std::move(state), out_);
  carry_out();
}

void EcstreamSession::turn_away(const smtp::HostRefusal& refusal) {
  const std::string text = fmt::format("{} {}", refusal.enhanced, refusal.text);
  smtp::Refusal told;
  told.code = refusal.code;
  told.cause = refusal.cause;
  told.text = text;
  refused(told);
  engine_->turn_away(GoAway::limits, text, out_);
  carry_out();
}

// While a commit is under way the next batch gathers.
bool EcstreamSession::takes() const {
  return !holding_ && !stalled_ && (out_.next == Next::read || out_.next == Next::submit);
}

size_t EcstreamSession::on_data(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size() && takes()) {
    used += engine_->feed(bytes.substr(used), out_);
    carry_out();
  }
  return used;
}

void EcstreamSession::on_drained() {
  stalled_ = false;
  if (takes()) connection().resume_reading();
}

// Sends what the engine has to say, then does what it asks for. Reading stops
// while nothing can be fed, and while the client has too much to read.
void EcstreamSession::carry_out() {
  if (holding_ || over_) return;
  if (out_.delay > Duration::zero()) {
    holding_ = true;
    connection().pause_reading();
    connection().deadline(Duration::zero());
    armed_.reset();
    tarpit_.start(std::exchange(out_.delay, Duration::zero()));
    return;
  }
  if (!out_.reply.empty()) {
    connection().write(out_.reply);
    out_.reply.clear();
    if (out_.reply.capacity() > 65536) out_.reply.shrink_to_fit();
  }
  switch (out_.next) {
    case Next::submit:
      submit();
      break;
    case Next::read:
      break;
    case Next::open:
      open_stream();
      if (out_.next != Next::open) return carry_out();
      break;
    case Next::hold:
      break;
    case Next::close:
      over_ = true;
      claim_.reset();
      return finish();
  }
  arm_deadline();
  stalled_ = connection().unsent() >= ecstream::ServerSession::reply_limit;
  if (stalled_) connection().want_drained();
  if (!takes()) return connection().pause_reading();
  connection().resume_reading();
  if (newer_unseen()) configuration_changed();
}

// The tarpit's time is over: the held reply leaves, reading goes on.
void EcstreamSession::reply_sent() {
  holding_ = false;
  carry_out();
}

// One deadline for what is waited for; the engine says when it begins anew.
void EcstreamSession::arm_deadline() {
  if (!std::exchange(out_.restart_deadline, false) && armed_ == out_.waiting) return;
  armed_ = out_.waiting;
  connection().deadline(engine_->deadline(out_.waiting));
}

// Nothing is remembered of those whose mail no rule could let in.
bool EcstreamSession::may_send() const {
  const ecstream::Policy& policy = *rules_->wire;
  const smtp::Policy& relay = *rules_->relay;
  const bool known = !policy.always_deny && (policy.always_allow || !engine_->user().empty());
  return known || (policy.verified_peer_can_relay && verified_) || relay.open_relay ||
         relay.relay_hosts.contains(client()) || !relay.relay_domains.empty() || !relay.relay_sending_domains.empty();
}

void EcstreamSession::open_stream() {
  const ecstream::Opening& opening = engine_->opening();
  if (!may_send()) {
    refused(ecstream::Refusal{.goaway = GoAway::denied, .cause = "relay", .text = "5.7.1 Relaying denied"});
    return engine_->opened(fail(Errc::denied, "relaying denied"), out_);
  }
  net::Loop* const loop = worker().loop.get();
  const auto on_loop = [loop, self = self()](void (EcstreamSession::*what)()) {
    return [loop, self, what] {
      loop->post([self, what] {
        if (*self != nullptr) (static_cast<EcstreamSession*>(*self)->*what)();
      });
    };
  };
  const std::string owner = owner_of(engine_->policy().tenant, opening.user, client());
  claim_ = services().streams.claim(fmt::format("{}{}{}", owner, '\0', opening.stream),
                                    {on_loop(&EcstreamSession::stream_is_ours), on_loop(&EcstreamSession::taken_over)});
}

// What is remembered of it may have to be read from the disk.
void EcstreamSession::stream_is_ours() {
  if (over_) return;
  const ecstream::Opening& opening = engine_->opening();
  services().aside.post([&injector = services().injector,
                         owner = owner_of(engine_->policy().tenant, opening.user, client()), stream = opening.stream,
                         claim = claim_, loop = worker().loop.get(), self = self()]() mutable {
    auto memory = memory_in(injector.receipt(owner, stream));
    loop->post([self, memory = std::move(memory), claim = std::move(claim)]() mutable {
      if (*self != nullptr) static_cast<EcstreamSession*>(*self)->opened(std::move(memory));
    });
  });
}

void EcstreamSession::opened(Result<ecstream::StreamMemory> memory) {
  if (over_) return;
  if (!memory && memory.error().code != Errc::busy)  // still being read: no trouble
    services().log.write(Level::error, Area::ecstream, "stream-unreadable",
                         fmt::format("session {} from {}: what is remembered of stream {} cannot be read: {}", id(),
                                     peer().to_string(), engine_->opening().stream, memory.error().message));
  engine_->opened(std::move(memory), out_);
  carry_out();
}

// Perhaps told more than once.
void EcstreamSession::taken_over() {
  if (!over_) end_at_once(GoAway::taken_over, {});
}

void EcstreamSession::submit() {
  auto submission = std::make_shared<ecstream::Submission>(engine_->take_submission());
  out_.next = Next::read;
  std::optional<spool::Receipt> receipt;
  if (!submission->stream.empty())
    receipt = {owner_of(engine_->policy().tenant, engine_->opening().user, client()), submission->stream,
               std::move(submission->receipt), wall_now() + std::chrono::days(ecstream::stream_memory_days)};
  auto next = [submission, at = size_t{0}]() mutable -> Result<std::optional<spool::Incoming>> {
    if (at == submission->messages.size()) return std::nullopt;
    return incoming_of(submission->messages[at++]);
  };
  // The stream stays ours until the commit has ended, whatever becomes of us.
  feeder_ = std::make_unique<BatchFeeder>(
      services().injector, *worker().loop, inject::Source(submission->protocol, id()), std::move(next),
      std::move(receipt),
      [self = self(), claim = claim_,
       ticket = visit().take_ticket(submission->messages.size())](const Result<std::vector<MessageId>>& ids) {
        if (ids && ticket != nullptr) ticket->accepted();
        if (*self != nullptr) static_cast<EcstreamSession*>(*self)->submitted(ids);
      });
  feeder_->wait_while_busy();
  feeder_->start();
}

void EcstreamSession::submitted(const Result<std::vector<MessageId>>& result) {
  if (!result)
    services().log.write(Level::error, Area::spool, "message-refused",
                         fmt::format("session {}: {}", id(), result.error().message));
  engine_->submitted(result, services().node, out_);
  carry_out();
}

void EcstreamSession::expired() {
  engine_->timed_out(out_);
  carry_out();
}

void EcstreamSession::configuration_changed() {
  // A busy session looks when it is idle again, or at its next safe point.
  const bool idle =
      armed_ == ecstream::Waiting::idle || armed_ == ecstream::Waiting::hello || armed_ == ecstream::Waiting::ready;
  if (over_ || holding_ || !idle || handshaking()) return;
  if (const auto looked = look_at_newer(); !looked) {
    engine_->shut_down(GoAway::reconfigured, looked.error().message, out_);
    carry_out();
  }
}

void EcstreamSession::say_end(std::string_view text) {
  engine_->shut_down(ending() == Ending::lifetime ? GoAway::lifetime : GoAway::shutdown, text, out_);
  carry_out();
}

void EcstreamSession::kill() { end_at_once(GoAway::killed, "4.3.2 Session ended by the administrator"); }

void EcstreamSession::end_at_once(GoAway code, std::string_view text) {
  if (handshaking() || over_) return drop();  // nothing can be said (any more)
  if (std::exchange(holding_, false)) tarpit_.stop();
  engine_->kill(code, text, out_);
  out_.delay = Duration::zero();
  carry_out();
}

void EcstreamSession::fill(control::InboundSession& row) const {
  row.helo = engine_->helo();
  row.user = engine_->user();
  row.state = engine_->state();
  row.tls = connection().tls().has_value();
  row.messages = engine_->messages();
  row.recipients = engine_->recipients();
}

void EcstreamSession::refused(const smtp::Refusal& refusal) {
  refuse_for_log(refusal, engine_->state(), engine_->helo(), engine_->user());
}

void EcstreamSession::refused(const ecstream::Refusal& refusal) {
  smtp::Refusal told;
  const bool for_good = ecstream::again(refusal.goaway) == ecstream::Again::no;
  told.code = refusal.code != 0 ? refusal.code : for_good ? 554 : 421;
  told.cause = refusal.cause;
  told.text = refusal.text;
  told.sender = refusal.sender;
  told.recipient = refusal.recipient;
  told.in_transaction = refusal.sequence != 0;
  refuse_for_log(told, refusal.sequence != 0 ? "data" : engine_->state(), engine_->helo(), engine_->user());
}

Result<std::shared_ptr<const ecstream::Policy>> EcstreamSession::safe_point() {
  const auto moved = move_on();
  if (!moved) return std::unexpected(moved.error());
  if (!*moved) return nullptr;
  visit().not_accepted();  // nothing gathers; what comes counts where the new options say
  rules_ = ecstream_rules(options());
  return rules_->wire;
}

std::optional<ecstream::HostRefusal> EcstreamSession::admit(uint64_t size) {
  if (auto refusal = visit().has_room(size)) return refusal;
  return visit().admit_another(guest());
}

std::optional<ecstream::HostRefusal> EcstreamSession::admit_recipient(std::string_view sender,
                                                                      std::string_view recipient, bool known) {
  if (known || smtp::may_relay(*rules_->relay, client(), sender, recipient)) return std::nullopt;
  return ecstream::HostRefusal{550, "5.7.1", "relay", fmt::format("Relaying denied for <{}>", recipient)};
}

WallTime EcstreamSession::now() { return wall_now(); }

AuthDesk::Visitor EcstreamSession::visitor() const {
  return {options(), engine_->client(), engine_->policy().tenant, id(), worker().snapshot, Area::ecstream};
}

std::optional<ecstream::HostRefusal> EcstreamSession::may_authenticate() { return services().auth.may_try(visitor()); }

bool EcstreamSession::usable(const auth::Source& source) { return can_authenticate(source); }

Result<std::unique_ptr<auth::SaslExchange>> EcstreamSession::authenticate(const auth::Source& source) {
  return begin_exchange(visitor(), source, engine_->policy().auth_sources);
}

void EcstreamSession::authenticated(const AuthOutcome& outcome) {
  services().auth.told(visitor(), {outcome.how, outcome.user, outcome.success, outcome.log});
}

}  // namespace impulse::server
