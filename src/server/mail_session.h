// MailSession: one ESMTP client. Joins a net::Connection, the sans-IO engine
// smtp::ServerSession, and the injector; owns itself until the connection is
// closed. Lives on one worker's loop.
#pragma once

#include "config/snapshot.h"
#include "inject/injector.h"
#include "net/connection.h"
#include "server/admission.h"
#include "server/auth_desk.h"
#include "server/incoming.h"
#include "server/loops.h"
#include "server/rejections.h"
#include "server/tls_store.h"
#include "smtp/server_session.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"
#include "telemetry/smtp_trace.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace impulse::server {

// What every mail session needs of the daemon; borrowed, outliving them all.
struct MailServices {
  inject::Injector& injector;
  telemetry::Counters& counters;
  telemetry::Log& log;
  TlsStore& tls;
  telemetry::SmtpTracers& tracers;
  AuthDesk& auth;
  Admission& admission;
  Rejections& rejections;
  std::string node;
};

class MailSession : private net::ConnectionHandler, private smtp::ServerHost {
 public:
  // On the worker's loop. `worker.loop->sessions` was raised by the caller
  // when it chose the worker.
  static void begin(MailServices& services, Worker& worker, uint64_t id, Incoming incoming);
  ~MailSession() override;

  // A newer snapshot is in force: an idle session looks at once, a busy one at
  // its next safe point (DESIGN §3, Reconfig_Policy).
  void configuration_changed();
  // The daemon ends: 421 at the next safe moment.
  void shut_down();
  // By an operator: 421 and close, at once, but behind a commit under way.
  void kill();
  // Tracers came or went.
  void retrace();
  // At once, without a word.
  void drop();
  bool committing() const { return out_.next == smtp::Next::submit; }

  uint64_t id() const { return id_; }
  config::ScopeKind listener() const { return listener_; }
  const Endpoint& listen() const { return listen_; }
  const Endpoint& peer() const { return peer_; }
  // Who stands between us and the peer; null: nobody.
  const Endpoint* proxy() const { return proxied_ ? &proxied_->proxy : nullptr; }
  size_t held() const { return connection_->unsent() + engine_->held(); }  // bytes in buffers
  uint64_t bytes_in() const { return connection_->bytes_in(); }
  uint64_t generation() const { return snapshot_->generation(); }
  SteadyTime began() const { return began_; }
  const smtp::ServerSession& engine() const { return *engine_; }

 private:
  MailSession(MailServices& services, Worker& worker, uint64_t id, const Incoming& incoming);
  bool attach(Incoming incoming);
  void start();
  void carry_out();
  void reply_sent();
  void arm_deadline();
  void arm_lifetime();
  void end(std::string_view text);  // 421 at the next safe moment
  void turn_away(const smtp::HostRefusal& refusal);
  Admission::Guest guest() const;
  net::TlsContextPtr tls_context(const config::Options& options) const;
  void start_tls();
  void submit();
  void submitted(const Result<MessageId>& result);
  std::shared_ptr<const smtp::Policy> policy_for(const config::Options& options) const;
  Result<const config::ListenConf*> listen_under(const config::Snapshot& next) const;

  // net::ConnectionHandler
  size_t on_data(std::string_view bytes) override;
  void on_tls(const net::TlsInfo& info) override;
  void on_deadline() override;
  void on_drained() override;
  void on_closed(net::CloseReason reason, std::string_view detail) override;
  smtp::TlsState tls_state(const net::TlsInfo& info) const;
  std::string own_identity(std::string identity) const;
  void count_for_tenant();

  // smtp::ServerHost
  Result<std::shared_ptr<const smtp::Policy>> safe_point() override;
  std::optional<smtp::HostRefusal> admit(Stage stage) override;
  WallTime now() override;
  uint64_t number() override { return id_; }
  Result<std::shared_ptr<const smtp::Policy>> client_is(const smtp::ClientInfo& client) override;
  Result<std::unique_ptr<message::BodySink>> large_body() override { return services_.injector.stream(); }
  std::optional<smtp::HostRefusal> has_room(uint64_t size) override { return visit_.has_room(size); }
  void refused(const smtp::Refusal& refusal) override;
  void abandoned() override { visit_.not_accepted(); }
  std::optional<smtp::HostRefusal> place_for_client() override { return visit_.become(guest()); }
  std::optional<smtp::HostRefusal> may_authenticate() override;
  bool usable(const auth::Source& source) override;
  Result<std::unique_ptr<auth::SaslExchange>> authenticate(const auth::Source& source) override;
  void authenticated(const AuthOutcome& outcome) override;
  AuthDesk::Visitor visitor() const;
  bool can_bind() const;  // the TLS connection has bytes for SCRAM-…-PLUS

  MailServices& services_;
  Worker& worker_;
  const uint64_t id_;
  const config::ScopeKind listener_;
  Endpoint listen_;  // moves along when a Listen does
  Endpoint peer_;    // named by a PROXY header, or who connected
  std::shared_ptr<const Proxied> proxied_;
  IpAddress client_;              // loopback for Unix sockets
  config::SnapshotPtr snapshot_;  // pinned; options_ points into it
  const config::Options* options_ = nullptr;
  telemetry::Counters::Scope* tenant_ = nullptr;  // whose client it is; null: nobody's
  SteadyTime began_;
  Admission::Visit visit_;
  std::unique_ptr<net::Timer> lifetime_;  // Max_Connection_Lifetime; null: none
  std::unique_ptr<net::Connection> connection_;
  std::unique_ptr<smtp::ServerSession> engine_;
  smtp::Output out_;
  std::optional<smtp::Waiting> armed_;  // what the deadline runs for
  net::Timer tarpit_;
  bool holding_ = false;                // tarpit: reply and reading wait
  uint64_t looked_at_ = 0;              // newest generation that configuration_changed() has seen
  std::shared_ptr<MailSession*> self_;  // null inside once we are gone: late answers of the spool look
};

}  // namespace impulse::server
