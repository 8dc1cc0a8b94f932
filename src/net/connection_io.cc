// The bytes of a connection: in to the handler, out to the socket, into TLS,
// and the orderly end.
#include "net/connection_core.h"
#include "net/socket.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace impulse::net {

namespace {

// Output a wake-up may send before others get their turn.
constexpr size_t write_budget = 512 << 10;
// finish(): how long a peer may take to read what is left, and to close.
constexpr std::chrono::seconds flush_time{5};
constexpr std::chrono::seconds linger_time{2};

}  // namespace

void ConnectionCore::connected() {
  int err = 0;
  socklen_t length = sizeof err;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &err, &length) != 0) err = errno;
  if (err != 0) return end(CloseReason::reset, "connect: " + errno_text(err));
  if (!peer_.is_unix()) local_ = local_name(fd_.get());
  phase_ = tls_ ? Phase::securing : Phase::open;
  handler_->on_connected();
}

IoResult ConnectionCore::receive(std::span<char> into) {
  return secure_ ? tls_->read(into) : receive_plain(fd_.get(), into);
}

// One round of reading, bounded by the scratch buffer: then others have their
// turn. The socket stays readable; for what is inside TLS we come back ourselves.
void ConnectionCore::read_some() {
  // What was kept comes first: the end of the input, if that is next, would drop it.
  if (in_.empty())
    offer_again_ = false;
  else if (offer_again_)
    return kick_later();
  more_inside_ = false;
  const auto scratch = loop_.scratch();
  IoResult result = receive(scratch);
  switch (result.io) {
    case Io::ok:
      more_inside_ = result.more;
      deliver({scratch.data(), result.bytes});
      if (phase_ == Phase::open && more_inside_) kick_later();
      break;
    case Io::need_read:
      break;
    case Io::need_write:
      read_needs_write_ = true;
      break;
    case Io::end:
      at_end_of_input(std::move(result.detail));
      break;
    case Io::failed:
      end(CloseReason::reset, std::move(result.detail));
      break;
  }
}

// The peer takes no more, but its last words may lie in the kernel: a server
// that says 421 and closes, for one.
void ConnectionCore::read_last() {
  for (int round = 0; round < 16 && phase_ == Phase::open && !paused_; ++round) {
    const auto scratch = loop_.scratch();
    const IoResult result = receive(scratch);
    if (result.io != Io::ok) break;
    deliver({scratch.data(), result.bytes});
  }
  end(CloseReason::reset, broken_);
}

void ConnectionCore::deliver(std::string_view fresh) {
  bytes_in_ += fresh.size();
  if (in_.empty()) {
    const size_t taken = offer(fresh);
    if (phase_ == Phase::open) in_.append(fresh.substr(taken));
  } else {
    in_.append(fresh);
    offer_kept();
  }
  if (phase_ != Phase::open) return;
  if (!paused_ && in_.size() > limits_.input_limit)
    return end(CloseReason::reset, fmt::format("more than {} bytes of input without an end", limits_.input_limit));
  if (out_.size() > limits_.output_high) flush();
  choked_ = out_.size() > limits_.output_high;
}

size_t ConnectionCore::offer(std::string_view bytes) {
  struct Offering {
    explicit Offering(bool& f) : flag(f) { flag = true; }
    ~Offering() { flag = false; }
    bool& flag;
  };
  const Offering guard(offering_);
  return std::min(handler_->on_data(bytes), bytes.size());
}

void ConnectionCore::offer_kept() {
  if (in_.empty()) return;
  const size_t taken = offer(in_.view());
  // Once TLS begins or the end has begun, what is kept belongs to nobody.
  if (phase_ == Phase::open)
    in_.consume(taken);
  else
    in_.clear();
}

void ConnectionCore::at_end_of_input(std::string detail) {
  end_seen_ = true;
  reason_ = CloseReason::peer_closed;
  detail_ = std::move(detail);
  begin_finishing();  // a peer that only shut its writing side gets its answers
}

size_t ConnectionCore::sendable() const { return tls_ && !secure_ ? plain_left_ : out_.size(); }

void ConnectionCore::flush() {
  const bool may = phase_ == Phase::open || phase_ == Phase::securing || phase_ == Phase::finishing;
  if (!may || write_blocked_ || !broken_.empty()) return;
  size_t budget = write_budget;
  while (const size_t ready = sendable()) {
    if (budget == 0) {
      write_blocked_ = true;  // goes on with the next round's write event
      break;
    }
    const std::string_view bytes = out_.view().substr(0, std::min(ready, budget));
    IoResult result = secure_ ? tls_->write(bytes) : send_plain(fd_.get(), bytes);
    if (result.io == Io::ok) {
      out_.consume(result.bytes);
      bytes_out_ += result.bytes;
      budget -= result.bytes;
      if (tls_ && !secure_) plain_left_ -= result.bytes;
      continue;
    }
    if (result.io == Io::failed || result.io == Io::end) return write_failed(std::move(result.detail));
    write_blocked_ = true;
    write_needs_read_ = result.io == Io::need_read;
    break;
  }
  if (choked_ && out_.size() < limits_.output_high / 2) {
    choked_ = false;
    if (more_inside_ || offer_again_) kick_later();
  }
}

void ConnectionCore::write_failed(std::string detail) {
  if (phase_ != Phase::open || paused_) return end(CloseReason::reset, std::move(detail));
  broken_ = std::move(detail);
  out_.clear();
  kick_later();
}

void ConnectionCore::start_tls(Result<std::unique_ptr<TlsSession>> session) {
  if (phase_ != Phase::connecting && phase_ != Phase::open) return;
  if (tls_) return end(CloseReason::tls_failed, "TLS is on already");
  if (!session) return end(CloseReason::tls_failed, session.error().message);
  tls_ = std::move(*session);
  plain_left_ = out_.size();
  if (phase_ == Phase::open) phase_ = Phase::securing;
  if (!offering_) in_.clear();
  kick_soon();
}

void ConnectionCore::handshake() {
  if (!heard_ && !looks_like_tls()) return;
  IoResult result = tls_->handshake(fd_.get());
  switch (result.io) {
    case Io::ok:
      secure_ = true;
      phase_ = Phase::open;
      more_inside_ = true;  // the peer's first bytes may have come with the end of the handshake
      kick_later();
      tls_info_ = tls_->info();
      handler_->on_tls(*tls_info_);
      break;
    case Io::need_read:
      break;
    case Io::need_write:
      read_needs_write_ = true;
      break;
    case Io::end:
    case Io::failed:
      handshake_failed(std::move(result.detail));
      break;
  }
}

// Looks at the peer's first bytes before OpenSSL takes them, to tell those
// who speak plainly from those whose TLS is wrong. False: nothing there, or
// the connection has ended.
bool ConnectionCore::looks_like_tls() {
  char head[24];
  const ssize_t got = ::recv(fd_.get(), head, sizeof head, MSG_PEEK);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return !tls_->is_server();  // the client speaks first
  if (got <= 0) {
    handshake_failed(got == 0 ? "the peer closed before the TLS handshake" : "read: " + errno_text(errno));
    return false;
  }
  if (std::string plain = not_tls({head, static_cast<size_t>(got)}); !plain.empty()) {
    handshake_failed("plain bytes on a TLS connection: " + plain);
    return false;
  }
  return heard_ = true;
}

void ConnectionCore::handshake_failed(std::string detail) {
  // An alert may be on its way: unread input would make close(2) send an RST after it.
  ::shutdown(fd_.get(), SHUT_WR);
  discard_input(fd_.get(), loop_.scratch());
  end(CloseReason::tls_failed, std::move(detail));
}

void ConnectionCore::finish() {
  if (phase_ == Phase::connecting) return close();
  if (phase_ != Phase::open && phase_ != Phase::securing) return;
  reason_ = in_deadline_ ? CloseReason::timeout : CloseReason::local;
  begin_finishing();
  kick_soon();
}

void ConnectionCore::begin_finishing() {
  phase_ = Phase::finishing;
  want_drained_ = false;
  if (!offering_) in_.clear();
  timer_event_.remove();
  const std::chrono::seconds limit = linger_seconds_ > 0 ? std::chrono::seconds(linger_seconds_) : flush_time;
  if (!loop_.add_timeout(timer_event_, limit)) end(CloseReason::reset, "event loop: " + errno_text(errno));
}

void ConnectionCore::finish_more() {
  if (sendable() > 0 || notify_blocked_) return;
  if (secure_ && !notify_sent_) {
    if (tls_->close_notify().io == Io::need_write) {
      notify_blocked_ = true;
      return;
    }
    notify_sent_ = true;
  }
  const bool shut = ::shutdown(fd_.get(), SHUT_WR) == 0;
  if (end_seen_ || !shut) return end(reason_, detail_);
  phase_ = Phase::lingering;
  timer_event_.remove();
  if (!loop_.add_timeout(timer_event_, linger_time)) end(reason_, detail_);
}

void ConnectionCore::linger() {
  const Io io = discard_input(fd_.get(), loop_.scratch());
  if (io == Io::end || io == Io::failed) end(reason_, detail_);
}

}  // namespace impulse::net
