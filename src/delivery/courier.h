// Courier: one outbound connection, with the client's half of ESMTP or LMTP on it.
// Loop thread.
#pragma once

#include "delivery/route.h"
#include "net/connection.h"
#include "smtp/client_session.h"
#include "spool/spool.h"
#include "telemetry/record.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::delivery {

struct Target {
  Endpoint endpoint;
  std::string host;  // as the Gateway names it; for SNI and certificate checks. Of a Unix socket: its path
};

// A message as it was read for a connection.
struct Letter {
  spool::Stored stored;
  // Where the other side takes 7 bits only and the message has more: its body for there, or why there is none.
  std::optional<Result<std::string>> seven_bit;
  telemetry::NotePtr note{};  // where the logs want one
};
// From any thread; blocks.
Result<Letter> read_letter(const spool::Spool& spool, MessageId id, const smtp::ClientOffers& offers);

class Courier;

// Its owner. None of these calls comes from inside a call to the Courier. The
// owner deletes a Courier outside of them only.
class CourierHost {
 public:
  enum class End : uint8_t {
    unreachable,  // no TCP connection
    tls,          // the TLS handshake failed
    refused,      // the greeting or EHLO was, or the session made no sense
    lost,         // time-out, reset, closed by the other side
    orderly,      // quit
  };
  virtual ~CourierHost() = default;
  virtual void courier_ready(Courier& courier) = 0;  // give it something: send(), rest() or quit()
  // The replies of a job, in its order. `again`: the connection had been used
  // before and was given up by the other side before it can have taken
  // anything of this message: no fault of the message, nor of its domain.
  virtual void courier_done(Courier& courier, std::vector<smtp::Reply> replies, bool again) = 0;
  virtual void courier_ended(Courier& courier, End end, const std::string& why) = 0;  // last call
};

class Courier final : private net::ConnectionHandler, private smtp::ClientHost {
 public:
  // `plain_because`: not empty: without STARTTLS, whatever the route says, and why (a handshake that failed).
  Courier(uint64_t number, net::Loop& loop, CourierHost& host, RoutePtr route, Target target,
          std::string plain_because = {});
  ~Courier() override;

  // Begins to connect; an error that shows at once is returned and nothing
  // else is called.
  Result<> start();
  // After courier_ready: the message for the recipients of that number.
  void send(std::shared_ptr<const Letter> letter, const std::vector<uint32_t>& recipients);
  // After courier_ready, while there is nothing to send; quits by itself
  // after the route's Idle_Timeout.
  void rest();
  void hold();  // a message is on its way: the idle time does not run
  void quit();
  void close();  // at once; courier_ended follows
  // Who is told what is said, from now on; null: nobody.
  void trace(telemetry::SessionTracePtr trace);

  uint64_t number() const { return number_; }
  const Target& target() const { return target_; }
  bool resting() const { return resting_; }
  bool usable() const { return !end_; }  // not on its way to courier_ended
  bool was_ready() const { return was_ready_; }
  uint64_t jobs() const { return jobs_; }  // done
  std::string local() const;
  int fd() const { return connection_ ? connection_->fd() : -1; }
  // How far it has come, at the end: had come; and bytes sent for the message at
  // hand, or before the first.
  telemetry::Stage stage() const;
  uint64_t bytes() const;
  const std::shared_ptr<const telemetry::TlsFacts>& tls() const { return tls_; }  // null: none
  const smtp::ClientOffers& offers() const { return session_.offers(); }          // once ready
  // Once ready: why messages with REQUIRETLS cannot go by it; 450 when that may
  // pass, 550 when it is so.
  std::optional<smtp::Reply> unprotected() const;
  std::string_view protocol() const { return route_->protocol(session_.tls_active()); }

 private:
  size_t on_data(std::string_view bytes) override;
  void on_tls(const net::TlsInfo& info) override;
  void on_connected() override;
  void on_deadline() override;
  void on_closed(net::CloseReason reason, std::string_view detail) override;
  void ready() override { ready_ = true; }
  void job_done(std::vector<smtp::Reply> replies) override { replies_ = std::move(replies); }
  void failed(const smtp::Reply& reason) override;

  void carry_out(const smtp::ClientOutput& out);
  void tell();  // the host, what the session said meanwhile
  void arm(Duration after);
  uint64_t unsent() const;
  void end(CourierHost::End end, std::string why);

  const uint64_t number_;
  net::Loop& loop_;
  CourierHost& host_;
  const RoutePtr route_;
  const Target target_;
  smtp::ClientSession session_;
  std::unique_ptr<net::Connection> connection_;
  std::shared_ptr<const Letter> letter_;  // while a job is under way
  std::optional<std::vector<smtp::Reply>> replies_;
  std::optional<std::pair<CourierHost::End, std::string>> end_;  // the first reason counts
  uint64_t jobs_ = 0;
  uint64_t written_ = 0;     // bytes given to the connection
  uint64_t marked_out_ = 0;  // bytes that had left when the deadline was set
  Duration period_{0};       // of the deadline
  bool connected_ = false;
  bool ready_ = false;
  bool was_ready_ = false;
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
