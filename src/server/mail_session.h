// MailSession: one ESMTP or LMTP client: a ClientSession that joins the sans-IO
// engine smtp::ServerSession and the injector.
#pragma once

#include "server/client_session.h"
#include "smtp/server_session.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace impulse::server {

class MailSession final : public ClientSession, private smtp::ServerHost {
 public:
  // On the worker's loop; see ClientSession::serve().
  static void begin(SessionServices& services, Worker& worker, uint64_t id, Incoming incoming);

  void configuration_changed() override;
  void kill() override;
  void retrace() override;
  bool committing() const override { return out_.next == smtp::Next::submit; }
  size_t held() const override { return connection().unsent() + engine_->held(); }

 private:
  MailSession(SessionServices& services, Worker& worker, uint64_t id, const Incoming& incoming);
  void carry_out();
  void reply_sent();
  void arm_deadline();
  void submit();
  void submitted(const Result<MessageId>& result);
  std::shared_ptr<const smtp::Policy> policy_for(const config::Options& options) const;

  // ClientSession
  void make_engine() override;
  void open(const net::TlsInfo* tls) override;
  void turn_away(const smtp::HostRefusal& refusal) override;
  void upgraded(const net::TlsInfo& info) override;
  void expired() override;
  void say_end(std::string_view text) override;
  void fill(control::InboundSession& row) const override;
  size_t on_data(std::string_view bytes) override;
  void on_drained() override;

  void refused(const smtp::Refusal& refusal) override;  // of both

  // smtp::ServerHost
  Result<std::shared_ptr<const smtp::Policy>> safe_point() override;
  std::optional<smtp::HostRefusal> admit(Stage stage) override;
  WallTime now() override;
  uint64_t number() override { return id(); }
  Result<std::shared_ptr<const smtp::Policy>> client_is(const smtp::ClientInfo& client) override;
  Result<std::unique_ptr<message::BodySink>> large_body() override { return services().injector.stream(); }
  std::optional<smtp::HostRefusal> has_room(uint64_t size) override { return visit().has_room(size); }
  bool knows_binding(const std::string& name) override { return binding_exists(name); }
  void abandoned() override { visit().not_accepted(); }
  std::optional<smtp::HostRefusal> place_for_client() override { return visit().become(guest()); }
  std::optional<smtp::HostRefusal> may_authenticate() override;
  bool usable(const auth::Source& source) override;
  Result<std::unique_ptr<auth::SaslExchange>> authenticate(const auth::Source& source) override;
  void authenticated(const AuthOutcome& outcome) override;
  AuthDesk::Visitor visitor() const;

  std::unique_ptr<smtp::ServerSession> engine_;
  smtp::Output out_;
  std::optional<smtp::Waiting> armed_;  // what the deadline runs for
  net::Timer tarpit_;
  bool holding_ = false;  // tarpit: reply and reading wait
};

}  // namespace impulse::server
