// ConnectionCore: the state machine behind a Connection.
//
// The owner's Connection is a thin handle; the core is kept by a shared
// pointer for as long as one of its own functions is on the stack. So the
// owner may destroy the Connection at any time on the loop's thread, also
// inside a callback: the core is detached, calls nobody any more, and goes
// when the stack has unwound. After every call into the handler the phase is
// looked at again.
//
//   connecting → open → securing → open (with TLS) → finishing → lingering → ended
//
// Any phase may go to `ended` (descriptor closed), which is reported once by
// on_closed, always from an event of the loop.
#pragma once

#include "base/bytes.h"
#include "net/connection.h"
#include "net/event_loop.h"
#include "net/io.h"
#include "net/tls_session.h"

namespace impulse::net {

class ConnectionCore : public std::enable_shared_from_this<ConnectionCore> {
 public:
  struct Setup {
    UniqueFd fd;
    Endpoint peer;
    Endpoint local;
    ConnectionLimits limits;
    int linger_seconds = -1;
    bool connecting = false;
  };
  ConnectionCore(EventLoop& loop, ConnectionHandler& handler, Setup setup);
  ~ConnectionCore();
  Result<> start();        // registers with the loop
  void detach() noexcept;  // the owner has gone: silence, and the descriptor closed

  // As in Connection.
  void write(std::string_view bytes);
  size_t unsent() const { return out_.size(); }
  void want_drained();
  void start_tls(Result<std::unique_ptr<TlsSession>> session);
  const std::optional<TlsInfo>& tls() const { return tls_info_; }
  std::optional<std::string> channel_binding(std::string_view type) const {
    return secure_ && tls_ ? tls_->channel_binding(type) : std::nullopt;
  }
  void pause_reading() { paused_ = true; }
  void resume_reading();
  void deadline(Duration after);
  void finish();
  void close();
  const Endpoint& peer() const { return peer_; }
  const Endpoint& local() const { return local_; }
  EventLoop& loop() { return loop_; }
  int fd() const { return fd_.get(); }
  uint64_t bytes_in() const { return bytes_in_; }
  uint64_t bytes_out() const { return bytes_out_; }

 private:
  enum class Phase : uint8_t { connecting, open, securing, finishing, lingering, ended };

  // connection_core.cc: events in, events out
  template <void (ConnectionCore::*step)()>
  static void event(evutil_socket_t, short, void* self) noexcept;
  void on_readable();
  void on_writable();
  void on_kick();
  void on_timer();
  void advance();        // what may go on by itself after any step
  void update_events();  // registers for what the phase waits for
  void report();         // on_closed, once
  bool wants_read() const;
  bool wants_write() const;
  bool is_drained() const;  // and the handler wants to know
  void kick_later();        // on_kick in the next round, so that others get their turn
  void kick_soon();         // on_kick in this round
  void end(CloseReason reason, std::string detail);

  // connection_io.cc: bytes, TLS, the way out
  void connected();
  void read_some();
  void read_last();
  void deliver(std::string_view fresh);
  size_t offer(std::string_view bytes);
  void offer_kept();
  void at_end_of_input(std::string detail);
  size_t sendable() const;
  void flush();
  void write_failed(std::string detail);
  void handshake();
  bool looks_like_tls();
  void handshake_failed(std::string detail);
  void begin_finishing();
  void finish_more();
  void linger();
  IoResult receive(std::span<char> into);

  EventLoop& loop_;
  ConnectionHandler* handler_;  // nullptr once detached
  UniqueFd fd_;
  Endpoint peer_, local_;
  ConnectionLimits limits_;
  int linger_seconds_;

  Phase phase_;
  bool inside_ = false;    // one of our events is on the stack
  bool offering_ = false;  // the handler looks at in_ or the scratch buffer
  bool paused_ = false;
  bool choked_ = false;       // too much unsent output: no reading
  bool offer_again_ = false;  // reading was resumed: show what was kept
  bool want_drained_ = false;
  bool end_seen_ = false;
  bool in_deadline_ = false;
  bool reported_ = false;

  bool write_blocked_ = false;     // the kernel's buffer is full
  bool write_needs_read_ = false;  // TLS could not write before it has read
  bool read_needs_write_ = false;  // the other way round
  bool read_armed_ = false;
  bool write_armed_ = false;
  bool kick_later_ = false;

  bool handshaking_ = false;     // plain output has gone
  bool heard_ = false;           // the peer's first bytes look like TLS
  bool secure_ = false;          // all bytes go through tls_
  bool more_inside_ = false;     // tls_ may hold bytes that the socket does not announce
  bool notify_blocked_ = false;  // close_notify waits for the socket
  bool notify_sent_ = false;

  ByteBuffer in_;  // what the handler left
  ByteBuffer out_;
  size_t plain_left_ = 0;  // bytes at the front of out_ that go out before the handshake
  std::unique_ptr<TlsSession> tls_;
  std::optional<TlsInfo> tls_info_;
  std::string broken_;  // writing failed so: what the peer said last is still read
  CloseReason reason_ = CloseReason::local;
  std::string detail_;
  uint64_t bytes_in_ = 0;
  uint64_t bytes_out_ = 0;

  Event read_event_, write_event_, kick_event_, timer_event_;
};

}  // namespace impulse::net
