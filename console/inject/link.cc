#include "console/inject/link.h"

#include "base/result.h"

#include <poll.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <utility>

namespace impulse::ecinject {

namespace {

constexpr size_t much_sent = size_t{256} << 10;  // octets kept in front of what waits

}  // namespace

void Link::connect() {
  tried_ = 0;
  was_idle_ = false;
  try_address();
}

// The addresses one after the other, beginning with the one that worked last.
bool Link::try_address() {
  int error = 0;
  for (; tried_ < settings_.target->addresses(); ++tried_) {
    UniqueFd socket;
    bool connected = false;
    error = settings_.target->connect(address_, socket, connected);
    if (error == 0) {
      transport_ = console::Transport(std::move(socket));
      out_ = {};
      watched_ = 0;
      failed_ = fatal_ = false;
      failure_.clear();
      sent_here_ = settled_here_ = 0;
      moved_ = host_.micros();
      stays_here_ = settings_.target->stays_here(address_);
      state_ = State::connecting;
      watch(EPOLLOUT);
      return true;
    }
    address_ = (address_ + 1) % settings_.target->addresses();
  }
  state_ = State::off;
  host_.down(*this, "cannot connect: " + errno_text(error), error != EAGAIN);
  return false;
}

void Link::watch(uint32_t events) {
  if (events == watched_) return;
  epoll_event event{};
  event.events = events;
  event.data.ptr = this;
  ::epoll_ctl(poll_, watched_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, transport_.fd(), &event);
  watched_ = events;
}

void Link::on_event(uint32_t events) {
  switch (state_) {
    case State::off:
      return;
    case State::connecting:
      return on_connected();
    case State::handshake:
      return shake();
    case State::open:
      break;
  }
  if ((events & EPOLLOUT) != 0 && !pump()) return;
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) receive();
}

void Link::on_connected() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(transport_.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    transport_ = {};
    address_ = (address_ + 1) % settings_.target->addresses();
    if (++tried_ < settings_.target->addresses()) {
      try_address();
      return;
    }
    state_ = State::off;
    return host_.down(*this, "cannot connect: " + errno_text(error), true);
  }
  if (settings_.tls_at_once) return begin_tls();
  state_ = State::open;
  watch(EPOLLIN);
  engine_->start(stays_here_, out_);
  pump();
}

void Link::begin_tls() {
  if (auto begun = transport_.start_tls(settings_.tls, settings_.host); !begun) return drop(begun.error().text, true);
  state_ = State::handshake;
  shake();
}

void Link::shake() {
  const console::Transport::Io io = transport_.handshake();
  if (!io.error.empty()) return drop(io.error, true);
  moved_ = host_.micros();
  if (io.wait != 0) return watch(io.wait == POLLOUT ? EPOLLOUT : EPOLLIN);
  state_ = State::open;
  watch(EPOLLIN);
  if (settings_.tls_at_once)
    engine_->start(true, out_);
  else
    engine_->tls_started(out_);
  // TLS may have read more than the handshake.
  if (pump()) receive();
}

void Link::receive() {
  static thread_local std::array<char, 65536> buffer;
  while (state_ == State::open) {
    const console::Transport::Io io = transport_.read(buffer.data(), buffer.size());
    if (io.wait != 0) return;
    if (io.bytes == 0) return drop(io.closed ? "the server has closed the connection" : io.error);
    moved_ = host_.micros();
    engine_->feed({buffer.data(), io.bytes}, out_);
    if (!pump()) return;
    if (out_.start_tls) {
      out_.start_tls = false;
      return begin_tls();
    }
    if (!transport_.encrypted() && io.bytes < buffer.size()) return;
  }
}

bool Link::pump() {
  while (out_.waiting() != 0) {
    const console::Transport::Io io = transport_.write(std::string_view(out_.bytes).substr(out_.sent));
    if (io.wait != 0) {
      watch(io.wait == POLLOUT ? EPOLLIN | EPOLLOUT : static_cast<uint32_t>(EPOLLIN));
      return true;
    }
    if (io.bytes == 0) {
      // What the server said before it hung up comes first.
      if (!failed_) {
        out_.bytes.resize(out_.sent);
        watch(EPOLLIN);
        return true;
      }
      drop(failure_, fatal_);
      return false;
    }
    out_.sent += io.bytes;
    wire_bytes_ += io.bytes;
    moved_ = host_.micros();
    if (out_.waiting() == 0) {
      out_.begin += out_.bytes.size();
      out_.bytes.clear();
      out_.sent = 0;
      engine_->drained(out_);
    } else if (out_.sent >= much_sent && out_.sent >= out_.waiting()) {
      out_.begin += out_.sent;
      out_.bytes.erase(0, out_.sent);
      out_.sent = 0;
    }
  }
  watch(EPOLLIN);
  if (!out_.close) return true;
  drop(failed_ ? failure_ : "", fatal_);
  return false;
}

void Link::send() {
  ++sent_here_;
  engine_->send(mail_, out_);
}

void Link::flush() {
  if (state_ == State::open) pump();
}

void Link::quit() {
  if (state_ == State::off) return;
  if (state_ != State::open) return drop("");
  engine_->quit(out_);
  pump();
}

void Link::drop(const std::string& why, bool fatal) {
  if (state_ == State::off) return;
  was_idle_ = state_ == State::open && (!engine_->awaits() || engine_->let_go());
  state_ = State::off;
  std::string reason = why;
  engine_->lost(out_);
  // A failure's own words say more than the end of the connection that came of it.
  if (failed_) reason = std::exchange(failure_, {});
  const bool worse = fatal || (failed_ && fatal_);
  transport_ = {};
  out_ = {};
  host_.down(*this, reason, worse);
}

void Link::time_out(const std::string& why) {
  if (state_ != State::connecting) return drop(why, !ready());
  address_ = (address_ + 1) % settings_.target->addresses();
  if (++tried_ >= settings_.target->addresses()) return drop(why, true);
  transport_ = {};
  try_address();
}

void Link::settled(const Settled& settled) {
  if (settled.how == Settled::How::answered) ++settled_here_;
  host_.settled(*this, settled);
}

void Link::refused(int code, uint64_t messages, uint64_t recipients, std::string_view text) {
  host_.refused(code, messages, recipients, text);
}

void Link::failed(std::string why, bool fatal) {
  failed_ = true;
  fatal_ = fatal;
  failure_ = std::move(why);
}

void Link::dismissed(std::string why) {
  dismissed_ = true;
  failed(std::move(why), true);
}

}  // namespace impulse::ecinject
