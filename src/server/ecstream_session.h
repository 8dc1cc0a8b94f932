// EcstreamSession: one client of ECStream (doc/ecstream.md): a ClientSession
// that joins the sans-IO engine ecstream::ServerSession, the streams that are
// open, and the injector.
#pragma once

#include "ecstream/server_session.h"
#include "server/batch_feeder.h"
#include "server/client_session.h"
#include "server/ecstream_rules.h"
#include "server/ecstream_streams.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace impulse::server {

class EcstreamSession final : public ClientSession, private ecstream::ServerHost {
 public:
  // On the worker's loop; see ClientSession::serve().
  static void begin(SessionServices& services, Worker& worker, uint64_t id, Incoming incoming);

  void configuration_changed() override;
  void kill() override;
  bool committing() const override { return engine_->committing(); }
  size_t held() const override { return connection().unsent() + engine_->held(); }

 private:
  EcstreamSession(SessionServices& services, Worker& worker, uint64_t id, const Incoming& incoming);
  void carry_out();
  bool takes() const;  // bytes may be fed
  void reply_sent();
  void arm_deadline();
  bool may_send() const;
  void open_stream();
  void stream_is_ours();
  void taken_over();
  void opened(Result<ecstream::StreamMemory> memory);
  void submit();
  void submitted(const Result<std::vector<MessageId>>& result);
  void end_at_once(ecstream::GoAway code, std::string_view text);

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

  // ecstream::ServerHost
  Result<std::shared_ptr<const ecstream::Policy>> safe_point() override;
  std::optional<ecstream::HostRefusal> admit(uint64_t size) override;
  void abandoned(size_t messages) override { visit().not_accepted(messages); }
  std::optional<ecstream::HostRefusal> admit_recipient(std::string_view sender, std::string_view recipient,
                                                       bool known) override;
  bool knows_binding(const std::string& name) override { return binding_exists(name); }
  WallTime now() override;
  uint64_t number() override { return id(); }
  Result<std::unique_ptr<message::BodySink>> large_body() override { return services().injector.stream(); }
  void refused(const ecstream::Refusal& refusal) override;
  std::optional<ecstream::HostRefusal> may_authenticate() override;
  bool usable(const auth::Source& source) override;
  Result<std::unique_ptr<auth::SaslExchange>> authenticate(const auth::Source& source) override;
  void authenticated(const AuthOutcome& outcome) override;
  AuthDesk::Visitor visitor() const;

  std::shared_ptr<const EcstreamRules> rules_;
  std::unique_ptr<ecstream::ServerSession> engine_;
  ecstream::Output out_;
  std::optional<ecstream::Waiting> armed_;           // what the deadline runs for
  std::shared_ptr<const OpenStreams::Claim> claim_;  // null: no stream, or one without a name
  std::unique_ptr<BatchFeeder> feeder_;              // of the batch under way
  bool over_ = false;                                // the engine has said its last
  net::Timer tarpit_;
  bool verified_ = false;  // by a certificate
  bool stalled_ = false;   // the client has to read first
  bool holding_ = false;   // tarpit: reply and reading wait
};

}  // namespace impulse::server
