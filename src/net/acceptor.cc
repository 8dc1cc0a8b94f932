#include "net/acceptor.h"

#include <sys/socket.h>

#include <cerrno>

namespace impulse::net {

namespace {

constexpr int usual_per_wakeup = 64;
constexpr std::chrono::milliseconds resting_time{100};

}  // namespace

AcceptResult accept_one(int fd, const Endpoint& listening) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  AcceptResult result;
  result.fd = UniqueFd(::accept4(fd, address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!result.fd) {
    result.error = errno;
  } else {
    result.peer = listening.is_unix() ? listening : Endpoint::from_sockaddr(address, length).value_or(Endpoint());
  }
  return result;
}

bool is_passing(int error) {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    // accept(2): Linux hands on errors that were waiting on the new connection.
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP:
    case EPERM:  // a firewall's rule
      return true;
    default:
      return false;
  }
}

Acceptor::Acceptor(EventLoop& loop, int fd, Endpoint listening, Accepted accepted, int per_wakeup, Trouble trouble)
    : loop_(loop),
      fd_(fd),
      listening_(std::move(listening)),
      accepted_(std::move(accepted)),
      per_wakeup_(per_wakeup > 0 ? per_wakeup : usual_per_wakeup),
      trouble_(std::move(trouble)) {
  event_.assign(
      loop, fd, EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* self) noexcept { static_cast<Acceptor*>(self)->ready(); }, this);
  rest_event_.assign(
      loop, -1, 0, [](evutil_socket_t, short, void* self) noexcept { static_cast<Acceptor*>(self)->start(); }, this);
}

void Acceptor::start() {
  const auto self = shared_from_this();
  armed_ = true;
  if (!event_.add()) rest(errno_text(errno));
}

void Acceptor::stop() {
  armed_ = false;
  event_.remove();
  rest_event_.remove();
}

void Acceptor::ready() {
  const auto self = shared_from_this();
  for (int i = 0; i < per_wakeup_ && armed_; ++i) {
    AcceptResult one = accept_one(fd_, listening_);
    if (one.fd) {
      try {
        accepted_(std::move(one.fd), std::move(one.peer));
      } catch (const std::exception& error) {
        return rest(error.what());
      }
      continue;
    }
    if (one.error == EAGAIN) break;
    if (!is_passing(one.error)) return rest(errno_text(one.error));
  }
  told_ = false;
}

// Out of descriptors, as a rule. The socket stays readable, so that going on
// at once would only burn the processor.
void Acceptor::rest(std::string_view why) {
  if (!armed_) return;
  event_.remove();
  if (!loop_.add_timeout(rest_event_, resting_time)) armed_ = false;
  if (std::exchange(told_, true) || !trouble_) return;
  trouble_(fmt::format("{}: accept: {}", listening_.to_string(), why));
}

}  // namespace impulse::net
