// The events of a connection: which step each calls, what is waited for next.
#include "net/connection_core.h"

#include <cerrno>

namespace impulse::net {

ConnectionCore::ConnectionCore(EventLoop& loop, ConnectionHandler& handler, Setup setup)
    : loop_(loop),
      handler_(&handler),
      fd_(std::move(setup.fd)),
      peer_(std::move(setup.peer)),
      local_(std::move(setup.local)),
      limits_(setup.limits),
      linger_seconds_(setup.linger_seconds),
      phase_(setup.connecting ? Phase::connecting : Phase::open) {}

ConnectionCore::~ConnectionCore() { detach(); }

Result<> ConnectionCore::start() {
  read_event_.assign(loop_, fd_.get(), EV_READ | EV_PERSIST, event<&ConnectionCore::on_readable>, this);
  write_event_.assign(loop_, fd_.get(), EV_WRITE, event<&ConnectionCore::on_writable>, this);
  kick_event_.assign(loop_, -1, 0, event<&ConnectionCore::on_kick>, this);
  timer_event_.assign(loop_, -1, 0, event<&ConnectionCore::on_timer>, this);
  errno = 0;
  update_events();
  if (phase_ == Phase::ended) return fail_errno(errno != 0 ? errno : ENOMEM, "event loop");
  return {};
}

void ConnectionCore::detach() noexcept {
  handler_ = nullptr;
  phase_ = Phase::ended;
  read_event_.remove();
  write_event_.remove();
  kick_event_.remove();
  timer_event_.remove();
  fd_.reset();
}

// The boundary where exceptions stop: a connection whose handler throws is
// closed, and the rest of the loop goes on.
template <void (ConnectionCore::*step)()>
void ConnectionCore::event(evutil_socket_t, short, void* argument) noexcept {
  const auto self = static_cast<ConnectionCore*>(argument)->shared_from_this();
  self->inside_ = true;
  try {
    (self.get()->*step)();
    self->advance();
  } catch (const std::exception& error) {
    self->end(CloseReason::reset, fmt::format("internal error: {}", error.what()));
  }
  self->inside_ = false;
  self->update_events();
  self->report();
}

void ConnectionCore::on_readable() {
  if (!wants_read()) {
    // Registrations are taken back only when they turn out to be in the way:
    // a short pause while nothing comes costs no system call.
    read_event_.remove();
    read_armed_ = false;
    return;
  }
  if (write_needs_read_) write_needs_read_ = write_blocked_ = false;
  if (phase_ == Phase::securing) {
    handshake();
  } else if (phase_ == Phase::lingering) {
    linger();
  } else if (!paused_ && !choked_) {
    read_some();
  }
}

void ConnectionCore::on_writable() {
  write_armed_ = false;
  if (phase_ == Phase::connecting) return connected();
  write_blocked_ = notify_blocked_ = false;
  if (!std::exchange(read_needs_write_, false)) return;
  if (phase_ == Phase::securing) {
    handshake();
  } else if (phase_ == Phase::open && wants_read()) {
    read_some();
  }
}

void ConnectionCore::on_kick() {
  kick_later_ = false;
  if (!broken_.empty()) return read_last();
  if (is_drained()) {
    want_drained_ = false;
    handler_->on_drained();
  }
  if (phase_ != Phase::open || paused_ || choked_) return;
  if (std::exchange(offer_again_, false)) offer_kept();
  if (phase_ == Phase::open && !paused_ && !choked_ && more_inside_) read_some();
}

void ConnectionCore::on_timer() {
  if (phase_ == Phase::finishing) return end(reason_, "output was not taken in time");
  if (phase_ == Phase::lingering) return end(reason_, detail_);
  if (phase_ == Phase::ended) return;
  in_deadline_ = true;
  handler_->on_deadline();
  in_deadline_ = false;
}

void ConnectionCore::advance() {
  flush();
  if (phase_ == Phase::securing && !handshaking_ && plain_left_ == 0) {
    handshaking_ = true;
    if (!tls_->is_server()) handshake();  // the client speaks first
  }
  if (phase_ == Phase::finishing) finish_more();
}

bool ConnectionCore::wants_read() const {
  switch (phase_) {
    case Phase::open:
      return write_needs_read_ || (!paused_ && !choked_ && broken_.empty());
    case Phase::securing:
      return handshaking_ && !read_needs_write_;
    case Phase::lingering:
      return true;
    case Phase::connecting:
    case Phase::finishing:
    case Phase::ended:
      break;
  }
  return false;
}

bool ConnectionCore::wants_write() const {
  if (phase_ == Phase::ended || phase_ == Phase::lingering) return false;
  return phase_ == Phase::connecting || (write_blocked_ && !write_needs_read_) || read_needs_write_ || notify_blocked_;
}

bool ConnectionCore::is_drained() const {
  return want_drained_ && out_.empty() && (phase_ == Phase::open || phase_ == Phase::securing);
}

void ConnectionCore::update_events() {
  if (phase_ == Phase::ended) return;
  if (is_drained()) kick_later();
  bool registered = true;
  if (wants_read() && !read_armed_) registered = read_armed_ = read_event_.add();
  if (wants_write() && !write_armed_) registered = (write_armed_ = write_event_.add()) && registered;
  if (!registered) end(CloseReason::reset, "event loop: " + errno_text(errno));
}

void ConnectionCore::kick_later() {
  constexpr timeval at_once{0, 0};
  if (!kick_later_) kick_later_ = kick_event_.add(&at_once);
}

void ConnectionCore::kick_soon() {
  if (!inside_) kick_event_.activate();
}

void ConnectionCore::end(CloseReason reason, std::string detail) {
  if (phase_ == Phase::ended) return;
  phase_ = Phase::ended;
  reason_ = reason;
  detail_ = std::move(detail);
  read_event_.remove();
  write_event_.remove();
  timer_event_.remove();
  tls_.reset();
  fd_.reset();
  out_.clear();
  if (!offering_) in_.clear();
  if (!inside_) kick_later();  // reports
}

void ConnectionCore::report() {
  if (phase_ != Phase::ended || reported_ || handler_ == nullptr) return;
  reported_ = true;
  try {
    handler_->on_closed(reason_, detail_);
  } catch (const std::exception&) {
    // There is nothing left to close.
  }
}

void ConnectionCore::write(std::string_view bytes) {
  const bool taken = phase_ == Phase::connecting || phase_ == Phase::open || phase_ == Phase::securing;
  if (!taken || !broken_.empty() || bytes.empty()) return;
  out_.append(bytes);
  if (!write_blocked_ && phase_ != Phase::connecting) kick_soon();
}

void ConnectionCore::want_drained() {
  want_drained_ = true;
  if (!inside_ && is_drained()) kick_later();
}

void ConnectionCore::resume_reading() {
  if (!std::exchange(paused_, false)) return;
  offer_again_ = true;
  if (phase_ == Phase::ended) return;
  if (!in_.empty() || more_inside_ || offering_) kick_later();
  if (!inside_) update_events();
}

void ConnectionCore::deadline(Duration after) {
  if (phase_ == Phase::finishing || phase_ == Phase::lingering || phase_ == Phase::ended) return;
  timer_event_.remove();
  if (after > Duration::zero() && !loop_.add_timeout(timer_event_, after))
    end(CloseReason::reset, "event loop: " + errno_text(errno));
}

void ConnectionCore::close() { end(in_deadline_ ? CloseReason::timeout : CloseReason::local, {}); }

}  // namespace impulse::net
