#include "server/client_session.h"

#include "base/text.h"
#include "config/keys.h"
#include "server/serving.h"

#include <fmt/format.h>

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
std::string identity_by(const net::TlsPeer& peer, config::Enum which) {
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

ClientSession::ClientSession(SessionServices& services, Worker& worker, uint64_t id, const Incoming& incoming,
                             Area area)
    : services_(services),
      worker_(worker),
      id_(id),
      listener_(incoming.listener),
      area_(area),
      listen_(incoming.listen),
      peer_(incoming.peer),
      proxied_(incoming.proxied),
      snapshot_(incoming.snapshot),
      began_(worker.loop->now()),
      visit_(services.admission),
      self_(std::make_shared<ClientSession*>(this)) {
  services_.counters.add(Counter::sessions_open);
  worker_.sessions.emplace(id_, this);
}

ClientSession::~ClientSession() {
  *self_ = nullptr;
  worker_.sessions.erase(id_);
  worker_.loop->sessions.fetch_sub(1, std::memory_order_relaxed);
  services_.counters.add(tenant_, Counter::sessions_open, -1);
}

void ClientSession::serve(std::unique_ptr<ClientSession> session, Incoming incoming) {
  if (!session->attach(std::move(incoming))) {
    session->services_.counters.add(Counter::connections_refused);
    return;
  }
  session.release()->start();  // ended by on_closed
}

// False: no Listen serves it under that snapshot.
bool ClientSession::attach(Incoming incoming) {
  const config::ListenConf* conf = serving(incoming);
  if (conf == nullptr) return false;
  listen_ = conf->endpoint();
  client_ = peer_.is_unix() ? IpAddress::v4(0x7F000001) : peer_.address();
  options_ = &conf->for_peer(client_);
  connection_ = net::Connection::accepted(*worker_.loop, std::move(incoming.fd), *this, socket_options(*options_));
  make_engine();
  count_for_tenant();
  if (services_.tracers.any()) retrace();
  return true;
}

// Over a limit where TLS comes first there is nothing that could be said
// without it, and a handshake is what a full server does not give away.
void ClientSession::start() {
  const bool tls_first = (*options_)[key::use_ssl];
  if (const auto refusal = visit_.enter(guest())) {
    services_.counters.add(tenant_, Counter::connections_refused);
    if (!tls_first) return turn_away(*refusal);
    smtp::Refusal told;
    told.code = refusal->code;
    told.cause = refusal->cause;
    told.text = fmt::format("{} {}", refusal->enhanced, refusal->text);
    refused(told);
    connection_->close();
    return;
  }
  services_.counters.add(tenant_, Counter::connections_accepted);
  arm_lifetime();
  if (!tls_first) return open(nullptr);
  handshake_ = Handshake::implicit;
  start_tls();
}

// The session is one of its client's tenant from now on.
void ClientSession::count_for_tenant() {
  telemetry::Counters::Scope* const now = services_.counters.tenant((*options_)[key::tenant]);
  if (now == tenant_) return;
  if (tenant_ != nullptr) tenant_->add(Counter::sessions_open, -1);
  if (now != nullptr) now->add(Counter::sessions_open);
  tenant_ = now;
}

Admission::Guest ClientSession::guest() const {
  return {listener_, listen_, client_, *snapshot_, *options_, worker_.snapshot->global(), worker_.loop->now()};
}

smtp::ClientInfo ClientSession::client_info() const {
  smtp::ClientInfo info;
  info.address = client_;
  info.port = peer_.is_unix() ? uint16_t{0} : peer_.port();
  info.unix_socket = peer_.is_unix();
  info.listener = listen_.to_string();
  return info;
}

// Counts from the beginning, whenever the value changed.
void ClientSession::arm_lifetime() {
  const Duration most = (*options_)[key::max_connection_lifetime];
  if (lifetime_ && !lifetime_->running()) return;  // it is over already
  if (most <= Duration::zero()) return lifetime_.reset();
  if (!lifetime_)
    lifetime_ = std::make_unique<net::Timer>(*worker_.loop, [this] {
      services_.counters.add(Counter::sessions_outlived);
      end(Ending::lifetime, "4.3.2 Session has lasted long enough");
    });
  const auto lasted = std::chrono::duration_cast<Duration>(worker_.loop->now() - began_);
  lifetime_->start(std::max(most - lasted, Duration(1000)));
}

void ClientSession::end(Ending why, std::string_view text) {
  ending_ = why;
  if (handshake_ == Handshake::implicit) return drop();  // nothing can be said yet
  say_end(text);
}

void ClientSession::finish() {
  if (lifetime_) lifetime_->stop();
  connection_->deadline(Duration::zero());
  connection_->finish();
}

net::TlsContextPtr ClientSession::tls_context(const config::Options& options) const {
  auto context = services_.tls.server_context(*snapshot_, options);
  if (context) return *context;
  services_.log.write(Level::error, Area::tls, "tls-certificate", context.error().message);
  return nullptr;
}

void ClientSession::start_tls() {
  if (handshake_ == Handshake::none) handshake_ = Handshake::upgrade;
  const net::TlsContextPtr context = tls_context(*options_);
  if (context == nullptr) {
    connection_->close();
    return;
  }
  connection_->deadline((*options_)[key::tls_handshake_timeout]);
  connection_->start_tls_server(context);
}

void ClientSession::on_tls(const net::TlsInfo& info) {
  services_.counters.add(Counter::tls_handshakes);
  if (std::exchange(handshake_, Handshake::none) == Handshake::implicit)
    open(&info);
  else
    upgraded(info);
}

// The identity of a pre-shared key counts as it is: who has the key is it.
std::string ClientSession::identity_of(const net::TlsInfo& info) const {
  const bool verified = info.peer != nullptr && info.peer->verified;
  return own_identity(verified ? identity_by(*info.peer, (*options_)[key::tls_identity_as_user]) : info.psk_identity);
}

net::TlsState ClientSession::tls_state(const net::TlsInfo& info) const {
  net::TlsState state;
  state.version = info.version;
  state.cipher = info.cipher;
  state.bits = info.bits;
  state.verified = info.peer != nullptr && info.peer->verified;
  state.identity = identity_of(info);
  return state;
}

bool ClientSession::can_bind() const {
  return connection_->channel_binding("tls-exporter") || connection_->channel_binding("tls-unique");
}

bool ClientSession::can_authenticate(const auth::Source& source) const {
  return (!auth::binds_channel(source.mechanism) || can_bind()) && services_.auth.has_users(source);
}

Result<std::unique_ptr<auth::SaslExchange>> ClientSession::begin_exchange(const AuthDesk::Visitor& visitor,
                                                                          const auth::Source& source,
                                                                          const std::vector<auth::Source>& offered) {
  AuthDesk::ChannelBinding binding;
  if (auth::is_scram(source.mechanism) && can_bind() &&
      std::ranges::any_of(offered, [](const auth::Source& each) { return auth::binds_channel(each.mechanism); }))
    binding = [this](std::string_view type) { return connection_->channel_binding(type); };
  return services_.auth.begin(visitor, source, std::move(binding));
}

std::string ClientSession::own_identity(std::string identity) const {
  if (!(*options_)[key::tenant].empty() || !services_.auth.is_foreign(*worker_.snapshot, identity)) return identity;
  services_.log.write(Level::notice, area_, "auth-failed",
                      fmt::format("session {} from {}: {} is the name of a tenant's user, and this is not its door",
                                  id_, peer_.to_string(), escape_line(identity, 255)));
  return {};
}

void ClientSession::on_deadline() {
  if (!handshaking()) return expired();
  services_.counters.add(Counter::tls_failures);
  connection_->close();
}

void ClientSession::on_closed(net::CloseReason reason, std::string_view detail) {
  if (reason == net::CloseReason::tls_failed) {
    services_.counters.add(Counter::tls_failures);
    services_.log.write(Level::notice, Area::tls, "tls-failed",
                        fmt::format("session {} from {}: {}", id_, peer_.to_string(), detail));
  }
  if (services_.log.wants(Level::debug, area_)) {
    control::InboundSession told;
    fill(told);
    services_.log.write(
        Level::debug, area_, "session-end",
        fmt::format("session {} from {}: {} messages, {}", id_, peer_.to_string(), told.messages, detail));
  }
  delete this;
}

// The Listen that serves us under a newer snapshot, or why the session has to
// end for it (Reconfig_Policy).
const config::ListenConf* ClientSession::listen_under(const config::Snapshot& next) const {
  const config::ListenConf* conf = serving(next, listener_, listen_, connection_->local());
  if (conf == nullptr || !conf->enabled()) return nullptr;
  const bool denied = conf->for_peer(client_)[key::deny] && !(*options_)[key::deny];
  return denied ? nullptr : conf;
}

bool ClientSession::always_ends() const {
  return config::choice(key::reconfig_policy, (*options_)[key::reconfig_policy]) == "always";
}

Error ClientSession::reconfigured() const { return {Errc::busy, (*options_)[key::reconfig_message]}; }

void ClientSession::move_to(const config::ListenConf& conf) {
  snapshot_ = worker_.snapshot;
  listen_ = conf.endpoint();
  visit_.move(listen_);
  options_ = &conf.for_peer(client_);
  arm_lifetime();
}

Result<bool> ClientSession::move_on() {
  if (const auto looked = look_at_newer(); !looked) return std::unexpected(looked.error());
  if (worker_.snapshot->generation() <= snapshot_->generation()) return false;
  move_to(*listen_under(*worker_.snapshot));
  return true;
}

Result<bool> ClientSession::move_along(bool& parting) {
  looked_at_ = worker_.snapshot->generation();
  if (looked_at_ <= snapshot_->generation()) return false;
  const config::ListenConf* const conf = listen_under(*worker_.snapshot);
  if (conf == nullptr) return std::unexpected(reconfigured());
  if (always_ends() || !options_->equivalent_for_session(conf->for_peer(client_))) parting = true;
  move_to(*conf);
  return true;
}

Result<> ClientSession::look_at_newer() {
  looked_at_ = worker_.snapshot->generation();
  if (looked_at_ <= snapshot_->generation()) return {};
  const config::ListenConf* const conf = listen_under(*worker_.snapshot);
  if (conf == nullptr || always_ends() || !options_->equivalent(conf->for_peer(client_)))
    return std::unexpected(reconfigured());
  return {};
}

Result<> ClientSession::become(const IpAddress& client) {
  const config::ListenConf* conf = serving(*snapshot_, listener_, listen_, connection_->local());
  if (conf == nullptr) return fail(Errc::busy, "{}", (*options_)[key::reconfig_message]);
  client_ = client;
  options_ = &conf->for_peer(client_);
  count_for_tenant();
  return {};
}

void ClientSession::refuse_for_log(const smtp::Refusal& refusal, std::string_view phase, std::string_view helo,
                                   std::string_view user, std::string_view tenant) const {
  const std::string_view of_listen = (*options_)[key::tenant];
  services_.rejections.tell({id_, listener_, listen_, peer_, connection_->local(), *snapshot_, *options_, phase, helo,
                             user, area_, of_listen.empty() ? tenant : of_listen},
                            refusal);
}

control::InboundSession ClientSession::row(SteadyTime now) const {
  control::InboundSession row;
  row.id = id_;
  row.listener = listen_.to_string();
  row.kind = config::scope_def(listener_).name;
  row.peer = peer_.to_string();
  if (proxied_) row.proxy = proxied_->proxy.to_string();
  row.tenant = (*options_)[key::tenant];
  row.bytes_in = connection_->bytes_in();
  row.generation = snapshot_->generation();
  row.age = std::chrono::duration_cast<Duration>(now - began_);
  fill(row);
  return row;
}

}  // namespace impulse::server
