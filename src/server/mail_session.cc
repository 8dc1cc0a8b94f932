#include "server/mail_session.h"

#include "server/serving.h"

#include <algorithm>
#include <utility>

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Counter;
using telemetry::Level;

namespace {

// Whom a verified certificate stands for (TLS_Identity_As_User: off, cn,
// san-email, san-dns); empty: nobody.
std::string identity_of(const net::TlsPeer& peer, config::Enum which) {
  const auto first = [](const std::vector<std::string>& names) {
    return names.empty() ? std::string() : names.front();
  };
  switch (which.index) {
    case 1:
      return peer.common_name;
    case 2:
      return first(peer.emails);
    case 3:
      return first(peer.dns_names);
    default:
      return {};
  }
}

// What a proxy said of the client, as far as the engine is concerned.
void describe(const Proxied& proxied, bool identity_as_user, smtp::ClientInfo& info) {
  const net::ProxyHeader& header = proxied.header;
  if (!header.destination.is_unix()) {
    info.destination = header.destination.address();
    info.destination_port = header.destination.port();
  }
  if (identity_as_user && header.tls && header.tls->verified) info.identity = header.tls->common_name;
}

net::SocketOptions socket_options(const config::Options& options) {
  net::SocketOptions socket;
  socket.no_delay = options[key::disable_nagle_algorithm];
  socket.ttl = static_cast<int>(options[key::ip_ttl]);
  socket.tos = static_cast<int>(options[key::ip_tos]);
  const Duration linger = options[key::linger];
  socket.linger_seconds = linger < Duration::zero()
                              ? -1
                              : static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(linger).count());
  return socket;
}

}  // namespace

void MailSession::begin(MailServices& services, Worker& worker, uint64_t id, Incoming incoming) {
  std::unique_ptr<MailSession> session(new MailSession(services, worker, id, incoming));
  if (!session->attach(std::move(incoming))) {
    services.counters.add(Counter::connections_refused);
    return;
  }
  session.release()->start();  // ended by on_closed
}

MailSession::MailSession(MailServices& services, Worker& worker, uint64_t id, const Incoming& incoming)
    : services_(services),
      worker_(worker),
      id_(id),
      listener_(incoming.listener),
      listen_(incoming.listen),
      peer_(incoming.peer),
      proxied_(incoming.proxied),
      snapshot_(incoming.snapshot),
      began_(worker.loop->now()),
      visit_(services.admission),
      tarpit_(*worker.loop, [this] { reply_sent(); }),
      self_(std::make_shared<MailSession*>(this)) {
  services_.counters.add(Counter::sessions_open);
  worker_.sessions.emplace(id_, this);
}

MailSession::~MailSession() {
  *self_ = nullptr;
  worker_.sessions.erase(id_);
  worker_.loop->sessions.fetch_sub(1, std::memory_order_relaxed);
  services_.counters.add(tenant_, Counter::sessions_open, -1);
}

// False: no Listen serves it under that snapshot.
bool MailSession::attach(Incoming incoming) {
  const config::ListenConf* conf = serving(incoming);
  if (conf == nullptr) return false;
  listen_ = conf->endpoint();
  client_ = peer_.is_unix() ? IpAddress::v4(0x7F000001) : peer_.address();
  options_ = &conf->for_peer(client_);
  connection_ = net::Connection::accepted(*worker_.loop, std::move(incoming.fd), *this, socket_options(*options_));
  smtp::ClientInfo info;
  info.address = client_;
  info.port = peer_.is_unix() ? uint16_t{0} : peer_.port();
  info.unix_socket = peer_.is_unix();
  if (proxied_) describe(*proxied_, (*options_)[key::proxy_identity_as_user], info);
  info.identity = own_identity(std::move(info.identity));
  info.listener = listen_.to_string();
  engine_ = std::make_unique<smtp::ServerSession>(policy_for(*options_), std::move(info),
                                                  static_cast<smtp::ServerHost&>(*this));
  count_for_tenant();
  if (services_.tracers.any()) retrace();
  return true;
}

std::shared_ptr<const smtp::Policy> MailSession::policy_for(const config::Options& options) const {
  const bool tls = tls_context(options) != nullptr;
  return options.derived<smtp::Policy>([&](const config::Options& chain) {
    return smtp::make_policy(chain, tls, listener_ == config::ScopeKind::lmtp_listener);
  });
}

// Null: no certificate is set, or (logged) it cannot be read any more.
net::TlsContextPtr MailSession::tls_context(const config::Options& options) const {
  auto context = services_.tls.server_context(*snapshot_, options);
  if (context) return *context;
  services_.log.write(Level::error, Area::tls, "tls-certificate", context.error().message);
  return nullptr;
}

// The identity of a pre-shared key counts as it is: who has the key is it.
smtp::TlsState MailSession::tls_state(const net::TlsInfo& info) const {
  smtp::TlsState state;
  state.version = info.version;
  state.cipher = info.cipher;
  state.bits = info.bits;
  state.verified = info.peer != nullptr && info.peer->verified;
  state.identity = own_identity(state.verified ? identity_of(*info.peer, (*options_)[key::tls_identity_as_user])
                                               : info.psk_identity);
  return state;
}

// The session is one of its client's tenant from now on.
void MailSession::count_for_tenant() {
  telemetry::Counters::Scope* const now = services_.counters.tenant((*options_)[key::tenant]);
  if (now == tenant_) return;
  if (tenant_ != nullptr) tenant_->add(Counter::sessions_open, -1);
  if (now != nullptr) now->add(Counter::sessions_open);
  tenant_ = now;
}

// By a connection nobody comes to be a user of a tenant that it is not of.
std::string MailSession::own_identity(std::string identity) const {
  if (!(*options_)[key::tenant].empty() || !services_.auth.is_foreign(*worker_.snapshot, identity)) return identity;
  services_.log.write(Level::notice, Area::smtp, "auth-failed",
                      fmt::format("session {} from {}: {} is the name of a tenant's user, and this is not its door",
                                  id_, peer_.to_string(), escape_line(identity, 255)));
  return {};
}

Admission::Guest MailSession::guest() const {
  return {listener_, listen_, client_, *snapshot_, *options_, worker_.snapshot->global(), worker_.loop->now()};
}

// Over a limit. Where TLS comes first there is nothing that could be said
// without it, and a handshake is what a full server does not give away.
void MailSession::turn_away(const smtp::HostRefusal& refusal) {
  services_.counters.add(tenant_, Counter::connections_refused);
  if ((*options_)[key::use_ssl]) {
    smtp::Refusal told;
    told.code = refusal.code;
    told.cause = refusal.cause;
    told.text = fmt::format("{} {}", refusal.enhanced, refusal.text);
    refused(told);
    connection_->close();
    return;
  }
  engine_->turn_away(refusal, out_);
  carry_out();
}

// Counts from the beginning, whenever the value changed.
void MailSession::arm_lifetime() {
  const Duration most = (*options_)[key::max_connection_lifetime];
  if (lifetime_ && !lifetime_->running()) return;  // it is over already
  if (most <= Duration::zero()) return lifetime_.reset();
  if (!lifetime_)
    lifetime_ = std::make_unique<net::Timer>(*worker_.loop, [this] {
      services_.counters.add(Counter::sessions_outlived);
      end("4.3.2 Session has lasted long enough");
    });
  const auto lasted = std::chrono::duration_cast<Duration>(worker_.loop->now() - began_);
  lifetime_->start(std::max(most - lasted, Duration(1000)));
}

void MailSession::start() {
  if (const auto refusal = visit_.enter(guest())) return turn_away(*refusal);
  services_.counters.add(tenant_, Counter::connections_accepted);
  arm_lifetime();
  if ((*options_)[key::use_ssl]) {
    start_tls();
    return;
  }
  engine_->start(std::nullopt, out_);
  carry_out();
}

void MailSession::start_tls() {
  const net::TlsContextPtr context = tls_context(*options_);
  if (context == nullptr) {
    connection_->close();
    return;
  }
  connection_->deadline((*options_)[key::tls_handshake_timeout]);
  connection_->start_tls_server(context);
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
    connection_->pause_reading();
    connection_->want_drained();
  }
  return used;
}

void MailSession::on_drained() { connection_->resume_reading(); }

// Sends what the engine has to say, then does what it asks for.
void MailSession::carry_out() {
  if (holding_) return;
  if (out_.delay > Duration::zero()) {
    holding_ = true;
    connection_->pause_reading();
    connection_->deadline(Duration::zero());
    armed_.reset();
    tarpit_.start(out_.delay);
    out_.delay = Duration::zero();
    return;
  }
  if (!out_.reply.empty()) {
    connection_->write(out_.reply);
    out_.reply.clear();
    if (out_.reply.capacity() > 8192) out_.reply.shrink_to_fit();
  }
  switch (out_.next) {
    case smtp::Next::read:
      arm_deadline();
      if (looked_at_ < worker_.snapshot->generation()) configuration_changed();
      return;
    case smtp::Next::submit:
      connection_->pause_reading();
      connection_->deadline(Duration::zero());
      armed_.reset();
      submit();
      return;
    case smtp::Next::start_tls:
      armed_ = smtp::Waiting::tls;
      start_tls();
      return;
    case smtp::Next::close:
      if (lifetime_) lifetime_->stop();
      connection_->deadline(Duration::zero());
      connection_->finish();
      return;
  }
}

// The tarpit's time is over: the held reply leaves, reading goes on.
void MailSession::reply_sent() {
  holding_ = false;
  connection_->resume_reading();
  carry_out();
}

// One deadline for what is waited for. The engine says when it begins anew, so
// that a client that sends single bytes gains no time by them.
void MailSession::arm_deadline() {
  if (!std::exchange(out_.restart_deadline, false) && armed_ == out_.waiting) return;
  armed_ = out_.waiting;
  connection_->deadline(engine_->deadline(out_.waiting));
}

void MailSession::submit() {
  smtp::Submission submission = engine_->take_submission();
  spool::Incoming incoming;
  incoming.envelope = std::move(submission.envelope);
  incoming.trace = std::move(submission.trace);
  incoming.id_offset = submission.id_offset;
  incoming.body = std::move(submission.body);
  incoming.rest = std::move(submission.rest);
  services_.injector.submit(std::move(incoming), std::move(submission.protocol), *worker_.loop,
                            [self = self_](const Result<MessageId>& result) {
                              if (*self != nullptr) (*self)->submitted(result);
                            });
}

void MailSession::submitted(const Result<MessageId>& result) {
  if (result) {
    visit_.accepted();
  } else {
    visit_.not_accepted();
    services_.log.write(Level::error, Area::spool, "message-refused",
                        fmt::format("session {}: {}", id_, result.error().message));
    smtp::Refusal refusal;
    refusal.code = result.error().code == Errc::no_space ? 452 : 451;
    refusal.cause = "spool";
    refusal.text = result.error().message;
    refused(refusal);
  }
  out_.next = smtp::Next::read;
  engine_->submitted(result, services_.node, out_);
  carry_out();
  connection_->resume_reading();
}

void MailSession::on_tls(const net::TlsInfo& info) {
  services_.counters.add(Counter::tls_handshakes);
  const bool first = !armed_;  // Use_SSL: the session has not begun
  armed_.reset();
  out_.next = smtp::Next::read;
  if (first)
    engine_->start(tls_state(info), out_);
  else
    engine_->tls_started(tls_state(info), out_);
  carry_out();
}

void MailSession::on_deadline() {
  if (out_.next == smtp::Next::start_tls || (!connection_->tls() && (*options_)[key::use_ssl])) {
    services_.counters.add(Counter::tls_failures);
    connection_->close();
    return;
  }
  engine_->timed_out(out_);
  carry_out();
}

void MailSession::on_closed(net::CloseReason reason, std::string_view detail) {
  if (reason == net::CloseReason::tls_failed) {
    services_.counters.add(Counter::tls_failures);
    services_.log.write(Level::notice, Area::tls, "tls-failed",
                        fmt::format("session {} from {}: {}", id_, peer().to_string(), detail));
  }
  if (services_.log.wants(Level::debug, Area::smtp))
    services_.log.write(
        Level::debug, Area::smtp, "session-end",
        fmt::format("session {} from {}: {} messages, {}", id_, peer().to_string(), engine_->messages(), detail));
  delete this;
}

// The Listen that serves us under a newer snapshot, or why the session has to
// end for it (Reconfig_Policy).
Result<const config::ListenConf*> MailSession::listen_under(const config::Snapshot& next) const {
  const config::ListenConf* conf = serving(next, listener_, listen_, connection_->local());
  if (conf != nullptr && conf->enabled() && !engine_->policy().reconfig_always) {
    const config::Options& options = conf->for_peer(client_);
    const bool denied = options[key::deny] && !(*options_)[key::deny];
    if (options_->equivalent(options) && !denied) return conf;
  }
  return fail(Errc::busy, "{}", engine_->policy().reconfig_message);
}

Result<std::shared_ptr<const smtp::Policy>> MailSession::safe_point() {
  if (worker_.snapshot->generation() <= snapshot_->generation()) return nullptr;
  const auto conf = listen_under(*worker_.snapshot);
  if (!conf) return std::unexpected(conf.error());
  snapshot_ = worker_.snapshot;
  listen_ = (*conf)->endpoint();
  visit_.move(listen_);
  options_ = &(*conf)->for_peer(client_);
  arm_lifetime();
  return policy_for(*options_);
}

// XCLIENT, XREMOTEIP: from now on under the rules of that address.
Result<std::shared_ptr<const smtp::Policy>> MailSession::client_is(const smtp::ClientInfo& client) {
  const config::ListenConf* conf = serving(*snapshot_, listener_, listen_, connection_->local());
  if (conf == nullptr) return fail(Errc::busy, "{}", engine_->policy().reconfig_message);
  client_ = client.address;
  options_ = &conf->for_peer(client_);
  count_for_tenant();
  return policy_for(*options_);
}

void MailSession::configuration_changed() {
  // A busy session looks when it is idle again, or at its next safe point.
  if ((armed_ != smtp::Waiting::command && armed_ != smtp::Waiting::greeting) || holding_ ||
      out_.next != smtp::Next::read || engine_->in_transaction())
    return;
  looked_at_ = worker_.snapshot->generation();
  if (looked_at_ <= snapshot_->generation()) return;
  if (const auto conf = listen_under(*worker_.snapshot); !conf) {
    engine_->shut_down(conf.error().message, out_);
    carry_out();
  }
}

void MailSession::shut_down() { end("4.3.2 Service shutting down"); }

void MailSession::end(std::string_view text) {
  if (!connection_->tls() && (*options_)[key::use_ssl]) return drop();  // in its handshake nothing can be said
  engine_->shut_down(text, out_);
  if (out_.next == smtp::Next::close || !out_.reply.empty()) carry_out();
}

void MailSession::retrace() {
  engine_->trace(services_.tracers.any()
                     ? services_.tracers.inbound(client_, fmt::format("in:{} {}", id_, peer().to_string()))
                     : nullptr);
}

void MailSession::kill() {
  const bool handshaking = out_.next == smtp::Next::start_tls || (!connection_->tls() && (*options_)[key::use_ssl]);
  if (handshaking || out_.next == smtp::Next::close) return drop();  // nothing can be said (any more)
  const bool held = std::exchange(holding_, false);
  if (held) tarpit_.stop();
  engine_->kill("4.3.2 Session ended by the administrator", out_);
  out_.delay = Duration::zero();
  // A message that the tarpit held back goes its way first.
  if (held || out_.next == smtp::Next::close) carry_out();
}

void MailSession::drop() { connection_->close(); }

std::optional<smtp::HostRefusal> MailSession::admit(Stage stage) { return visit_.admit(guest(), stage); }

WallTime MailSession::now() { return wall_now(); }

void MailSession::refused(const smtp::Refusal& refusal) {
  if (engine_->state() == "data") visit_.not_accepted();  // it is the message
  services_.rejections.tell({id_, listener_, listen_, peer_, connection_->local(), *snapshot_, *options_, *engine_},
                            refusal);
}

AuthDesk::Visitor MailSession::visitor() const {
  return {*options_, engine_->client(), engine_->policy().tenant, id_, worker_.snapshot};
}

std::optional<smtp::HostRefusal> MailSession::may_authenticate() { return services_.auth.may_try(visitor()); }

bool MailSession::can_bind() const {
  return connection_->channel_binding("tls-exporter") || connection_->channel_binding("tls-unique");
}

bool MailSession::usable(const auth::Source& source) {
  return (!auth::binds_channel(source.mechanism) || can_bind()) && services_.auth.has_users(source);
}

Result<std::unique_ptr<auth::SaslExchange>> MailSession::authenticate(const auth::Source& source) {
  const auto& offered = engine_->policy().auth_sources;
  AuthDesk::ChannelBinding binding;
  if (auth::is_scram(source.mechanism) && can_bind() &&
      std::ranges::any_of(offered, [](const auth::Source& each) { return auth::binds_channel(each.mechanism); }))
    binding = [this](std::string_view type) { return connection_->channel_binding(type); };
  return services_.auth.begin(visitor(), source, std::move(binding));
}

void MailSession::authenticated(const AuthOutcome& outcome) { services_.auth.told(visitor(), outcome); }

}  // namespace impulse::server
