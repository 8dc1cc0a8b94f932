// Courier: one outbound connection and the protocol on it (smtp_courier.h,
// ecstream_courier.h), as its owner sees it. Loop thread.
#pragma once

#include "base/endpoint.h"
#include "base/result.h"
#include "delivery/letter.h"
#include "delivery/route.h"
#include "delivery/stream_pool.h"
#include "delivery/workers.h"
#include "message/body_source.h"
#include "net/loop.h"
#include "smtp/client_session.h"
#include "telemetry/record.h"
#include "telemetry/smtp_trace.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::delivery {

// Of two limits, where 0 is none.
constexpr uint32_t less_of(uint32_t one, uint32_t other) {
  return one == 0 || (other != 0 && other < one) ? other : one;
}

struct Target {
  Endpoint endpoint;
  std::string host;  // as the Gateway names it; for SNI and certificate checks. Of a Unix socket: its path
  Gateway::Login login = Gateway::Login::given;
};

// With whose name and password a connection there authenticates; nullopt: with none.
std::optional<smtp::ClientLogin> login_at(const Route& route, const Target& target);
// When TLS fails there: the mail may go without.
bool may_go_plain(const Route& route, const Target& target);

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
  // A reply of that code: that recipient was not tried, for no fault of its own; it may be at once.
  static constexpr int not_tried = smtp::Reply::not_tried;
  // The replies of a job, in its order; of several that are under way the first
  // one's. `again`: the connection had been used
  // before and was given up by the other side before it can have taken
  // anything of this message: no fault of the message, nor of its domain.
  virtual void courier_done(Courier& courier, std::vector<smtp::Reply> replies, bool again) = 0;
  // Makes another connection to the same address, to hear what became of what is under way; or as a
  // stream that was used before is of no use there.
  virtual void courier_resumes(Courier& courier) = 0;
  virtual void courier_ended(Courier& courier, End end, const std::string& why) = 0;  // last call
};

class Courier {
 public:
  struct Setup {
    uint64_t number;
    net::Loop& loop;
    CourierHost& host;
    Workers& streamers;  // read what is sent in pieces
    StreamPool& streams;
    RoutePtr route;
    Target target;
    uint32_t most_recipients = 0;  // of a message, as other connections there have learned; 0: no limit
    std::string plain_because{};   // not empty: without TLS, whatever the route says, and why (a handshake that failed)
  };
  explicit Courier(Setup setup);
  virtual ~Courier() = default;
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  // Begins to connect; an error that shows at once is returned and nothing
  // else is called.
  virtual Result<> start() = 0;
  // After courier_ready, or while it takes_more(): the message for the recipients of that number.
  virtual void send(std::shared_ptr<const Letter> letter, const std::vector<uint32_t>& recipients) = 0;
  // After courier_ready, while there is nothing to send; quits by itself
  // after the route's Idle_Timeout.
  virtual void rest() = 0;
  virtual void hold() = 0;   // a message is on its way: the idle time does not run
  virtual void quit() = 0;   // when what is under way is answered
  virtual void close() = 0;  // at once; courier_ended follows
  // Who is told what is said, from now on; null: nobody.
  virtual void trace(telemetry::SessionTracePtr trace) { trace_ = std::move(trace); }

  uint64_t number() const { return number_; }
  const Target& target() const { return target_; }
  bool resting() const { return resting_; }
  virtual bool takes_more() const = 0;  // though something is under way
  virtual bool usable() const = 0;      // not on its way to courier_ended
  virtual uint64_t jobs() const = 0;    // messages it has carried
  // Of a message, whatever the other side said first: a limit that showed; 0: none.
  uint32_t most_recipients() const { return most_recipients_; }
  virtual std::string local() const = 0;
  virtual int fd() const = 0;
  // How far it has come, at the end: had come; and bytes sent for the message at
  // hand, or before the first.
  virtual telemetry::Stage stage() const = 0;
  virtual uint64_t bytes() const = 0;
  const std::shared_ptr<const telemetry::TlsFacts>& tls() const { return tls_; }  // null: none
  virtual const smtp::ClientOffers& offers() const = 0;                           // once ready
  // Once ready: why messages with REQUIRETLS cannot go by it; 450 when that may
  // pass, 550 when it is so.
  std::optional<smtp::Reply> unprotected() const;
  virtual std::string_view protocol() const = 0;

 protected:
  virtual smtp::Protection protection() const = 0;
  // The next piece of a large body, which is read away from the loop.
  void read_on(std::shared_ptr<message::BodyReader> reader);
  virtual void have_read(const std::shared_ptr<message::BodyReader>& reader, const Result<std::string_view>& piece) = 0;
  // From the loop, when what runs now has returned, unless this is gone by then.
  void later(std::function<void()> what);

  const uint64_t number_;
  net::Loop& loop_;
  CourierHost& host_;
  Workers& streamers_;
  StreamPool& streams_;
  const RoutePtr route_;
  const Target target_;
  const std::string plain_because_;
  uint32_t most_recipients_;
  bool resting_ = false;
  telemetry::SessionTracePtr trace_;
  std::shared_ptr<const telemetry::TlsFacts> tls_;

 private:
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace impulse::delivery
