// StreamClient: an ECStream client on a blocking thread: connects, keeps a
// stream going over connections that break, and tells what became of its
// messages. The C interface (ecstream.h) stands on it.
#pragma once

#include "console/address.h"
#include "console/transport.h"
#include "ecstream/client_session.h"
#include "ecstream/client_stream.h"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace impulse::console {

struct StreamSettings {
  Address address;
  TlsOptions tls;
  std::string user;
  std::string password;
  ecstream::ClientSettings session;
  std::chrono::milliseconds timeout = std::chrono::seconds(30);  // to connect, and to hear anything
  size_t max_bytes = size_t{64} << 20;                           // kept unacknowledged; send() waits above it
  bool reconnect = true;
};

// One thread at a time.
class StreamClient {
 public:
  using Clock = std::chrono::steady_clock;

  StreamClient(StreamSettings settings, ecstream::ClientStream stream);
  ~StreamClient();
  StreamClient(const StreamClient&) = delete;
  StreamClient& operator=(const StreamClient&) = delete;

  // Until the stream is open. denied: not with these credentials, or not at all;
  // timeout, io: it may work later.
  Result<> connect();
  // Takes a message, and sends what can be sent; waits only while more than
  // max_bytes are unacknowledged. An error is the end of this client.
  Result<uint64_t> send(const ecstream::MessageHead& head, std::string body, bool want_id);
  // Sends, receives, reconnects; returns when something was told, or the time is over.
  Result<> pump(std::chrono::milliseconds patience);
  // Until everything is done. timeout: it is not yet.
  Result<> drain(std::chrono::milliseconds patience);

  // What became of messages, in order. Nothing: nothing new.
  std::optional<ecstream::ClientEvent> next_event();
  const ecstream::ClientStream& stream() const { return stream_; }
  bool connected() const { return session_ != nullptr && session_->open(); }

 private:
  Result<> begin();
  Result<> await_open(Clock::time_point until);
  // One round: false when nothing moved.
  bool exchange();
  void wait(Clock::time_point until) const;
  void take_events();
  void keep(ecstream::ClientEvent event);
  void lose(const std::string& why, ecstream::Again again);
  Result<> restore();

  StreamSettings settings_;
  ecstream::ClientStream stream_;
  std::unique_ptr<ecstream::Authenticator> authenticator_;
  std::unique_ptr<ecstream::ClientSession> session_;
  Transport transport_;
  ecstream::ClientOutput out_;
  size_t written_ = 0;  // of out_.reply
  short wait_for_ = 0;
  std::deque<ecstream::ClientEvent> events_;
  uint64_t told_ = 0;  // events that there ever were
  std::optional<ecstream::GoAway> told_to_go_;
  std::string lost_;  // why there is no connection
  std::optional<Error> dead_;
  Clock::time_point next_try_{};
  std::chrono::milliseconds back_off_{0};
  unsigned spread_;
  Clock::time_point heard_{};
  Clock::time_point asked_{};
};

}  // namespace impulse::console
