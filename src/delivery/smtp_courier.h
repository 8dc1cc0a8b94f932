// SmtpCourier: one outbound connection, with the client's half of ESMTP or LMTP
// on it. Loop thread.
#pragma once

#include "delivery/courier.h"
#include "delivery/workers.h"
#include "message/body_source.h"
#include "net/connection.h"
#include "smtp/client_session.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::delivery {

class SmtpCourier final : public Courier, private net::ConnectionHandler, private smtp::ClientHost {
 public:
  // `streamers` read what is sent in pieces. `plain_because`: not empty: without STARTTLS, whatever the route says, and
  // why (a handshake that failed).
  SmtpCourier(uint64_t number, net::Loop& loop, CourierHost& host, RoutePtr route, Target target, Workers& streamers,
              std::string plain_because = {});
  ~SmtpCourier() override;

  Result<> start() override;
  void send(std::shared_ptr<const Letter> letter, const std::vector<uint32_t>& recipients) override;
  void rest() override;
  void hold() override;
  void quit() override;
  void close() override;
  void trace(telemetry::SessionTracePtr trace) override;

  uint64_t number() const override { return number_; }
  const Target& target() const override { return target_; }
  bool resting() const override { return resting_; }
  bool takes_more() const override { return false; }
  bool streams() const override { return true; }
  bool usable() const override { return !end_; }
  uint64_t jobs() const override { return jobs_; }
  std::string local() const override;
  int fd() const override { return connection_ ? connection_->fd() : -1; }
  telemetry::Stage stage() const override;
  uint64_t bytes() const override;
  const std::shared_ptr<const telemetry::TlsFacts>& tls() const override { return tls_; }
  const smtp::ClientOffers& offers() const override { return session_.offers(); }
  std::optional<smtp::Reply> unprotected() const override;
  std::string_view protocol() const override { return route_->protocol(session_.tls_active()); }

 private:
  size_t on_data(std::string_view bytes) override;
  void on_tls(const net::TlsInfo& info) override;
  void on_connected() override;
  void on_deadline() override;
  void on_drained() override;
  void on_closed(net::CloseReason reason, std::string_view detail) override;
  void ready() override { ready_ = true; }
  void job_done(std::vector<smtp::Reply> replies) override { replies_ = std::move(replies); }
  void failed(const smtp::Reply& reason) override;

  void carry_out(const smtp::ClientOutput& out);
  void have_read(const std::shared_ptr<message::BodyReader>& reader, const Result<std::string_view>& piece);
  void tell();  // the host, what the session said meanwhile
  void arm(Duration after);
  uint64_t unsent() const;
  void end(CourierHost::End end, std::string why);

  const uint64_t number_;
  net::Loop& loop_;
  CourierHost& host_;
  Workers& streamers_;
  const RoutePtr route_;
  const Target target_;
  smtp::ClientSession session_;
  std::unique_ptr<net::Connection> connection_;
  std::shared_ptr<const Letter> letter_;         // while a job is under way
  std::shared_ptr<message::BodyReader> reader_;  // of its rest
  bool fetching_ = false;                        // a piece is asked for, or will be when all has left
  std::optional<std::vector<smtp::Reply>> replies_;
  std::optional<std::pair<CourierHost::End, std::string>> end_;  // the first reason counts
  uint64_t jobs_ = 0;
  uint64_t written_ = 0;     // bytes given to the connection
  uint64_t marked_out_ = 0;  // bytes that had left when the deadline was set
  Duration period_{0};       // of the deadline
  bool connected_ = false;
  bool ready_ = false;
  bool resting_ = false;
  bool quitting_ = false;
  bool handshaking_ = false;
  telemetry::SessionTracePtr trace_;
  std::shared_ptr<const telemetry::TlsFacts> tls_;
  telemetry::Stage end_stage_ = telemetry::Stage::unknown;
  uint64_t end_bytes_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace impulse::delivery
