// SmtpCourier: one outbound connection, with the client's half of ESMTP or LMTP
// on it. Loop thread.
#pragma once

#include "delivery/courier.h"
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
  explicit SmtpCourier(Setup setup);
  ~SmtpCourier() override;

  Result<> start() override;
  void send(std::shared_ptr<const Letter> letter, const std::vector<uint32_t>& recipients) override;
  void rest() override;
  void hold() override;
  void quit() override;
  void close() override;
  void trace(telemetry::SessionTracePtr trace) override;

  bool takes_more() const override { return false; }
  bool usable() const override { return !end_; }
  uint64_t jobs() const override { return jobs_; }
  std::string local() const override;
  int fd() const override { return connection_ ? connection_->fd() : -1; }
  telemetry::Stage stage() const override;
  uint64_t bytes() const override;
  const smtp::ClientOffers& offers() const override { return session_.offers(); }
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
  smtp::Protection protection() const override { return session_.protection(); }
  void have_read(const std::shared_ptr<message::BodyReader>& reader, const Result<std::string_view>& piece) override;
  void tell();  // the host, what the session said meanwhile
  void arm(Duration after);
  uint64_t unsent() const;
  void end(CourierHost::End end, std::string why);

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
  bool quitting_ = false;
  bool handshaking_ = false;
  telemetry::Stage end_stage_ = telemetry::Stage::unknown;
  uint64_t end_bytes_ = 0;
};

}  // namespace impulse::delivery
