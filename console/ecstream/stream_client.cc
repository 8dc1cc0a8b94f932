#include "console/ecstream/stream_client.h"

#include "base/ip.h"
#include "console/ecstream/authenticator.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>
#include <utility>

namespace impulse::console {

namespace {

using namespace std::chrono_literals;
using Clock = StreamClient::Clock;
using ecstream::Again;
using Kind = ecstream::ClientEvent::Kind;

constexpr auto first_back_off = 1000ms;
constexpr auto longest_back_off = 60000ms;

int left(Clock::time_point until) {
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(rest, 0, 3600000));
}

Result<UniqueFd> connect_to(const sockaddr* address, socklen_t length, Clock::time_point until) {
  UniqueFd fd(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "cannot make a socket");
  if (::connect(fd.get(), address, length) == 0) return fd;
  // EAGAIN: the backlog of a Unix socket is full; there is nothing to poll for.
  if (errno != EINPROGRESS) return fail_errno(errno, "cannot connect");
  pollfd waiting{fd.get(), POLLOUT, 0};
  int ready = 0;
  while ((ready = ::poll(&waiting, 1, left(until))) < 0 && errno == EINTR) {
  }
  if (ready == 0) return fail(Errc::timeout, "cannot connect: timed out");
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail_errno(error, "cannot connect");
  return fd;
}

Result<UniqueFd> connect_to(const Address& address, Clock::time_point until) {
  if (!address.path.empty()) {
    sockaddr_un place{};
    place.sun_family = AF_UNIX;
    if (address.path.size() >= sizeof place.sun_path) return fail(Errc::invalid, "path of the socket is too long");
    std::memcpy(place.sun_path, address.path.data(), address.path.size());
    return connect_to(reinterpret_cast<const sockaddr*>(&place), sizeof place, until);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &list);
  if (error != 0) return fail(Errc::not_found, "{}: {}", address.to_string(), ::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
  Result<UniqueFd> fd = fail(Errc::not_found, "{}: no address", address.to_string());
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    fd = connect_to(each->ai_addr, each->ai_addrlen, until);
    if (fd) return fd;
  }
  return fd;
}

// Both ends are on this machine.
bool stays_here(int fd) {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0) return false;
  if (peer.ss_family == AF_UNIX) return true;
  const auto address = IpAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&peer), length);
  return address && address->is_loopback();
}

// OpenSSL writes to a socket as to a file: whoever uses this library must not
// die of it, nor find its handling of signals changed.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    const timespec now{};
    if (!was_pending_)
      while (sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {
      }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

}  // namespace

StreamClient::StreamClient(StreamSettings settings, ecstream::ClientStream stream)
    : settings_(std::move(settings)), stream_(std::move(stream)), spread_(static_cast<unsigned>(::getpid())) {}
StreamClient::~StreamClient() = default;

Result<> StreamClient::begin() {
  const auto until = Clock::now() + settings_.timeout;
  auto fd = connect_to(settings_.address, until);
  if (!fd) return std::unexpected(std::move(fd.error()));
  transport_ = Transport(std::move(*fd));
  if (settings_.tls.enabled) {
    const std::string& host = settings_.address.host;
    if (auto begun = transport_.start_tls(settings_.tls, host); !begun)
      return fail(Errc::denied, "{}", begun.error().text);
    const NoSigpipe guard;
    while (true) {
      const Transport::Io io = transport_.handshake();
      if (!io.error.empty()) return fail(Errc::denied, "{}", io.error);
      if (io.wait == 0) break;
      wait_for_ = io.wait;
      if (left(until) == 0) return fail(Errc::timeout, "TLS: timed out");
      wait(until);
    }
  }
  out_ = {};
  written_ = 0;
  told_to_go_.reset();
  const bool confidential = settings_.tls.enabled || stays_here(transport_.fd());
  authenticator_ = std::make_unique<SaslAuthenticator>(
      settings_.user, settings_.password, settings_.address.host.empty() ? "localhost" : settings_.address.host,
      confidential);
  session_ = std::make_unique<ecstream::ClientSession>(settings_.session, stream_, authenticator_.get());
  session_->start(out_);
  heard_ = Clock::now();
  return await_open(until);
}

Result<> StreamClient::await_open(Clock::time_point until) {
  while (session_ && !session_->open()) {
    if (!exchange() && session_ && !session_->open()) {
      if (left(until) == 0) {
        lose("timed out", Again::in_a_while);
        return fail(Errc::timeout, "{}: no answer", settings_.address.to_string());
      }
      wait(until);
    }
  }
  if (session_) return {};
  if (dead_) return std::unexpected(*dead_);
  return fail(Errc::io, "{}", lost_);
}

Result<> StreamClient::connect() {
  if (dead_) return std::unexpected(*dead_);
  if (connected()) return {};
  auto begun = begin();
  if (!begun && !session_ && begun.error().code == Errc::denied) dead_ = begun.error();
  return begun;
}

void StreamClient::lose(const std::string& why, Again again) {
  lost_ = why;
  if (session_) session_->lost(out_);
  session_.reset();
  transport_ = {};
  if (again == Again::no || !settings_.reconnect) {
    dead_ = Error{again == Again::no ? Errc::denied : Errc::io, why};
    return;
  }
  const auto now = Clock::now();
  if (again == Again::at_once && back_off_ == 0ms) {
    back_off_ = first_back_off;
    next_try_ = now;
    return;
  }
  back_off_ = std::min<std::chrono::milliseconds>(back_off_ == 0ms ? first_back_off : back_off_ * 2, longest_back_off);
  // Some chance in it: many clients that lost the same server come back one by one.
  spread_ = spread_ * 1664525 + 1013904223;
  next_try_ = now + back_off_ / 2 + back_off_ * (spread_ >> 16) / 131072;
}

// Of acknowledgements that follow each other the last one says all: who never
// asks for them does not gather them.
void StreamClient::keep(ecstream::ClientEvent event) {
  ++told_;
  if (event.kind == Kind::acknowledged && !events_.empty() && events_.back().kind == Kind::acknowledged)
    events_.back() = std::move(event);
  else
    events_.push_back(std::move(event));
}

void StreamClient::take_events() {
  for (ecstream::ClientEvent& event : std::exchange(out_.events, {})) {
    switch (event.kind) {
      case Kind::hello:
      case Kind::authenticated:
      case Kind::pong:
        break;
      case Kind::opened:
        back_off_ = 0ms;
        keep(std::move(event));
        break;
      case Kind::goaway:
        told_to_go_ = event.goaway;
        lost_ = event.text;
        break;
      case Kind::failed: {
        const bool for_now = event.code >= 400 && event.code < 500;
        lose(event.text, for_now ? Again::in_a_while : ecstream::again(event.goaway));
        return;
      }
      case Kind::acknowledged:
      case Kind::id:
      case Kind::refused:
      case Kind::flushed:
        keep(std::move(event));
        break;
    }
  }
}

bool StreamClient::exchange() {
  if (!session_) return false;
  const NoSigpipe guard;
  bool moved = false;
  wait_for_ = 0;
  session_->send(out_);
  take_events();
  while (session_ && written_ < out_.reply.size()) {
    const Transport::Io io = transport_.write(std::string_view(out_.reply).substr(written_));
    if (!io.error.empty()) break;  // reading says what the server had to say first
    wait_for_ |= io.wait;
    if (io.bytes == 0) break;
    written_ += io.bytes;
    moved = true;
  }
  if (written_ == out_.reply.size()) {
    out_.reply.clear();
    written_ = 0;
  }
  if (!session_) return true;
  std::array<char, 65536> bytes;
  const Transport::Io io = transport_.read(bytes.data(), bytes.size());
  wait_for_ |= io.wait;
  if (io.bytes > 0) {
    heard_ = Clock::now();
    session_->feed({bytes.data(), io.bytes}, out_);
    take_events();
    return true;
  }
  if (io.closed || !io.error.empty()) {
    const Again again = told_to_go_ ? ecstream::again(*told_to_go_) : Again::at_once;
    std::string why = lost_;
    if (!told_to_go_) why = io.error.empty() ? "the server has closed the connection" : io.error;
    lose(why, again);
    return true;
  }
  return moved;
}

void StreamClient::wait(Clock::time_point until) const {
  pollfd waiting{transport_.fd(), static_cast<short>(wait_for_ | POLLIN), 0};
  ::poll(&waiting, 1, left(until));
}

// A new connection, if it is time for one.
Result<> StreamClient::restore() {
  if (Clock::now() < next_try_) return {};
  auto begun = begin();
  if (begun || dead_) return begun;
  // begin() may have failed before there was a session to lose.
  if (Clock::now() >= next_try_) lose(begun.error().message, Again::in_a_while);
  return {};
}

Result<> StreamClient::pump(std::chrono::milliseconds patience) {
  const auto until = Clock::now() + patience;
  const uint64_t had = told_;
  while (true) {
    if (dead_) return std::unexpected(*dead_);
    if (!session_) {
      if (auto restored = restore(); !restored) return restored;
      if (!session_ && !dead_) {
        if (left(until) == 0) return {};
        std::this_thread::sleep_until(std::min(until, next_try_));
      }
      continue;
    }
    const bool moved = exchange();
    if (told_ > had) return {};
    if (moved) continue;
    // Somebody who owes an answer and says nothing is asked, then given up.
    const auto now = Clock::now();
    if (stream_.waiting() > 0 && now - heard_ > settings_.timeout) {
      lose("the server says nothing", Again::at_once);
      continue;
    }
    if (stream_.waiting() > 0 && now - std::max(heard_, asked_) > settings_.timeout / 2 && out_.reply.empty()) {
      asked_ = now;
      session_->ping("", out_);
      continue;
    }
    if (left(until) == 0) return {};
    wait(std::min(until, now + settings_.timeout / 2));
  }
}

Result<uint64_t> StreamClient::send(const ecstream::MessageHead& head, std::string body, bool want_id) {
  while (stream_.waiting() > 0 && stream_.bytes() + body.size() > settings_.max_bytes)
    if (auto pumped = pump(settings_.timeout); !pumped) return std::unexpected(std::move(pumped.error()));
  auto sequence = stream_.add(head, std::move(body), want_id);
  if (sequence && session_) exchange();
  return sequence;
}

Result<> StreamClient::drain(std::chrono::milliseconds patience) {
  const auto until = Clock::now() + patience;
  while (stream_.waiting() > 0) {
    if (left(until) == 0) return fail(Errc::timeout, "{} messages are not acknowledged", stream_.waiting());
    if (auto pumped = pump(std::chrono::milliseconds(left(until))); !pumped) return pumped;
  }
  return {};
}

std::optional<ecstream::ClientEvent> StreamClient::next_event() {
  if (events_.empty()) return std::nullopt;
  ecstream::ClientEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace impulse::console
