// ClientSession: what sessions that bring mail have in common, whatever they
// speak: the connection, the configuration that they work under, their place
// among all sessions, TLS, and what consoles ask of them. Joined with a sans-IO
// engine by who derives from it. Owns itself until the connection is closed;
// lives on one worker's loop.
#pragma once

#include "config/snapshot.h"
#include "control/system.h"
#include "net/client_info.h"
#include "net/connection.h"
#include "queue/binding.h"
#include "server/admission.h"
#include "server/auth_desk.h"
#include "server/incoming.h"
#include "server/loops.h"
#include "server/session_services.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::server {

class ClientSession : protected net::ConnectionHandler {
 public:
  ~ClientSession() override;

  // A newer snapshot is in force: an idle session looks at once, a busy one at
  // its next safe point (DESIGN §3, Reconfig_Policy).
  virtual void configuration_changed() = 0;
  // The daemon ends: the session does at its next safe moment.
  void shut_down() { end(Ending::shutdown, "4.3.2 Service shutting down"); }
  // By an operator: at once, but behind a commit under way.
  virtual void kill() = 0;
  // Tracers came or went.
  virtual void retrace() {}
  // At once, without a word.
  void drop() { connection_->close(); }
  // What it brought is being made durable.
  virtual bool committing() const = 0;

  uint64_t id() const { return id_; }
  config::ScopeKind listener() const { return listener_; }
  const Endpoint& listen() const { return listen_; }
  const Endpoint& peer() const { return peer_; }
  virtual size_t held() const { return connection_->unsent(); }  // bytes in buffers
  uint64_t generation() const { return snapshot_->generation(); }
  control::InboundSession row(SteadyTime now) const;

 protected:
  ClientSession(SessionServices& services, Worker& worker, uint64_t id, const Incoming& incoming, telemetry::Area area);
  // Serves until the connection ends. `worker.loop->sessions` was raised by the
  // caller when it chose the worker.
  static void serve(std::unique_ptr<ClientSession> session, Incoming incoming);

  // What the protocol's own half does. First make_engine(), under options() and
  // with a connection(); then turn_away() or open(), unless neither can be said
  // in plain text.
  virtual void make_engine() = 0;
  virtual void open(const net::TlsInfo* tls) = 0;  // null: in plain text
  // Over a limit: says so, and ends.
  virtual void turn_away(const smtp::HostRefusal& refusal) = 0;
  // The handshake that start_tls() began behind open() is done.
  virtual void upgraded(const net::TlsInfo&) {}
  virtual void expired() = 0;  // the connection's deadline, outside of handshakes
  // Ends at the next safe moment, saying so.
  virtual void say_end(std::string_view text) = 0;
  // … and why, for who has other words for it.
  enum class Ending : uint8_t { none, shutdown, lifetime };
  Ending ending() const { return ending_; }
  virtual void refused(const smtp::Refusal& refusal) = 0;  // counts it and writes it down
  // The rest of a row: who it is, and what it does.
  virtual void fill(control::InboundSession& row) const = 0;

  // The configuration. Whether there is a newer one, which the session works
  // under from now on; or the text to end with. At a safe point.
  Result<bool> move_on();
  // As move_on(), for a protocol that keeps nothing from one request to the
  // next: it works under the newer one although what a connection is bound to
  // (options of the next session; Reconfig_Policy) is another by now. `parting`
  // is set then: the connection should end with the answer.
  Result<bool> move_along(bool& parting);
  // Between safe points, when idle: whether the session could move on, without doing it.
  Result<> look_at_newer();
  // Whether there is that Binding, or such a group, as the configuration is now.
  bool binding_exists(const std::string& name) const {
    return queue::choose_binding(*worker_.snapshot, name).has_value();
  }
  bool newer_unseen() const { return looked_at_ < worker_.snapshot->generation(); }
  // The client is somebody else from now on (XCLIENT): options() are those of that address.
  Result<> become(const IpAddress& client);

  // TLS. Null: no certificate is set, or (logged) it cannot be read any more.
  net::TlsContextPtr tls_context(const config::Options& options) const;
  void start_tls();
  bool handshaking() const { return handshake_ != Handshake::none; }
  // Whom a certificate, or a pre-shared key, stands for; empty: nobody.
  std::string identity_of(const net::TlsInfo& info) const;
  net::TlsState tls_state(const net::TlsInfo& info) const;  // for engines
  // By a connection nobody comes to be a user of a tenant that it is not of.
  std::string own_identity(std::string identity) const;

  // SASL. Whether a client could come in by that here; and an exchange, tied to
  // the connection where it and what else is offered can be.
  bool can_authenticate(const auth::Source& source) const;
  Result<std::unique_ptr<auth::SaslExchange>> begin_exchange(const AuthDesk::Visitor& visitor,
                                                             const auth::Source& source,
                                                             const std::vector<auth::Source>& offered);

  // `tenant`: whose client it turned out to be, where its Listen is nobody's.
  void refuse_for_log(const smtp::Refusal& refusal, std::string_view phase, std::string_view helo,
                      std::string_view user, std::string_view tenant = {}) const;
  Admission::Guest guest() const;
  smtp::ClientInfo client_info() const;
  void finish();  // what is written leaves, and that was it

  SessionServices& services() const { return services_; }
  Worker& worker() const { return worker_; }
  net::Connection& connection() const { return *connection_; }
  const config::Options& options() const { return *options_; }
  const IpAddress& client() const { return client_; }
  const Proxied* proxied() const { return proxied_.get(); }
  Admission::Visit& visit() { return visit_; }
  const Admission::Visit& visit() const { return visit_; }
  telemetry::Counters::Scope* tenant() const { return tenant_; }
  // Null inside once we are gone: late answers of the spool look.
  const std::shared_ptr<ClientSession*>& self() const { return self_; }

 private:
  enum class Handshake : uint8_t { none, implicit, upgrade };  // under way: of Use_SSL, or of start_tls()

  bool can_bind() const;  // the TLS connection has bytes for SCRAM-…-PLUS
  bool attach(Incoming incoming);
  void start();
  void end(Ending why, std::string_view text);
  void arm_lifetime();
  void count_for_tenant();
  // Where it stands under a newer one; null: it is not welcome any more.
  const config::ListenConf* listen_under(const config::Snapshot& next) const;
  bool always_ends() const;  // Reconfig_Policy
  void move_to(const config::ListenConf& conf);
  Error reconfigured() const;

  // net::ConnectionHandler
  void on_tls(const net::TlsInfo& info) final;
  void on_deadline() final;
  void on_closed(net::CloseReason reason, std::string_view detail) final;

  SessionServices& services_;
  Worker& worker_;
  const uint64_t id_;
  const config::ScopeKind listener_;
  const telemetry::Area area_;  // for the log
  Endpoint listen_;             // moves along when a Listen does
  Endpoint peer_;               // named by a PROXY header, or who connected
  std::shared_ptr<const Proxied> proxied_;
  IpAddress client_;              // loopback for Unix sockets
  config::SnapshotPtr snapshot_;  // pinned; options_ points into it
  const config::Options* options_ = nullptr;
  telemetry::Counters::Scope* tenant_ = nullptr;  // whose client it is; null: nobody's
  SteadyTime began_;
  Admission::Visit visit_;
  std::unique_ptr<net::Timer> lifetime_;  // Max_Connection_Lifetime; null: none
  std::unique_ptr<net::Connection> connection_;
  Handshake handshake_ = Handshake::none;
  Ending ending_ = Ending::none;
  uint64_t looked_at_ = 0;  // newest generation that look_at_newer() has seen
  std::shared_ptr<ClientSession*> self_;
};

}  // namespace impulse::server
