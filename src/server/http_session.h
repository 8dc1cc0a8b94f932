// HttpSession: one HTTP client: a ClientSession that joins the sans-IO engine
// http::ServerSession, what requests mean (api/), and the injector.
#pragma once

#include "api/health.h"
#include "api/routes.h"
#include "http/server_session.h"
#include "server/client_session.h"
#include "server/http_desk.h"
#include "server/http_gate.h"
#include "server/http_idempotency.h"
#include "server/http_injection.h"
#include "server/http_rules.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace impulse::server {

class HttpSession final : public ClientSession, private http::ServerHost {
 public:
  // On the worker's loop; see ClientSession::serve().
  static void begin(SessionServices& services, Worker& worker, uint64_t id, Incoming incoming);

  void configuration_changed() override;
  void kill() override;
  bool committing() const override { return task_.injection && task_.injection->committing(); }
  size_t held() const override { return connection().unsent() + engine_->held(); }

 private:
  HttpSession(SessionServices& services, Worker& worker, uint64_t id, const Incoming& incoming);
  void carry_out();
  void arm_deadline();
  Result<> follow();

  // ClientSession
  void make_engine() override;
  void open(const net::TlsInfo* tls) override;
  void turn_away(const smtp::HostRefusal& refusal) override;
  void expired() override;
  void say_end(std::string_view text) override;
  void fill(control::InboundSession& row) const override;
  void refused(const smtp::Refusal& refusal) override;
  size_t on_data(std::string_view bytes) override;
  void on_drained() override;

  // http::ServerHost
  WallTime now() override;
  std::string make_id() override;
  Result<std::shared_ptr<const http::Policy>> safe_point() override;
  bool parting() const override { return parting_; }
  std::optional<http::Response> on_head(const http::RequestHead& head) override;
  bool on_growth(size_t size) override;
  void replied(const http::Replied& replied) override;

  // What is asked for (http_requests.cc).
  std::optional<HttpRefusal> why_not(const http::RequestHead& head);  // … the request is not taken, by its head
  std::optional<HttpRefusal> why_no_mail(const http::RequestHead& head);
  std::optional<http::Response> no_such_page(const http::RequestHead& head, const api::Routing& target);
  http::Response refuse(const HttpRefusal& refusal, std::string_view phase);
  void handle(http::Request request);
  void inject(http::Request request);
  bool known_already(const http::Request& request);  // answered it, if so
  void begin_injection(std::unique_ptr<api::Job> job);
  std::optional<api::Error> may_relay(const spool::Incoming& message) const;
  std::optional<api::Error> unknown_binding(const spool::Incoming& message) const;
  void injected(HttpInjection::Outcome outcome);
  spool::Receipt receipt_of(std::span<const MessageId> ids);
  void answer(const http::Response& response);
  void answer(const HttpRefusal& refusal) { answer(refuse(refusal, "data")); }
  void answer(const api::Error& error);
  api::Call call_of(http::Request request) const;
  std::shared_ptr<const api::Policy> mail_policy() const;
  api::HealthState health() const;
  void tell_metrics(std::string_view accept);
  void command(http::Request request);
  HttpGate::Connection connection_says() const;
  AuthDesk::Visitor visitor() const;
  Admission::Guest asker() const;  // guest(), of the tenant that the request is of

  std::shared_ptr<const HttpRules> rules_;
  std::unique_ptr<http::ServerSession> engine_;
  http::Output out_;
  std::optional<http::Waiting> armed_;  // what the deadline runs for
  bool parting_ = false;                // the next answer is the last
  HttpGate gate_;
  smtp::ClientInfo info_;  // for who looks after failures to authenticate
  // Of the TLS connection.
  std::string tls_;  // version and cipher; empty: there is none
  unsigned tls_bits_ = 0;
  bool certificate_ = false;
  std::string identity_;  // whom it names; empty: nobody

  std::string user_;  // who was known last
  uint64_t messages_ = 0;
  uint64_t recipients_ = 0;

  // The request that is being received or answered.
  struct Task {
    api::Routing target;
    HttpCaller caller;
    uint64_t number = 0;
    std::string owner;  // with an Idempotency-Key
    std::string key;
    Remembered remembered;
    std::shared_ptr<const HttpDesk::Claim> claim;
    std::unique_ptr<HttpInjection> injection;
    uint64_t recipients = 0;
  } task_;
};

}  // namespace impulse::server
