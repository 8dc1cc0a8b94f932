#include "net/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace impulse::net {

namespace {

void set(int fd, int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); }

Endpoint name_from(int (*get)(int, sockaddr*, socklen_t*), int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (get(fd, address, &length) != 0) return {};
  return Endpoint::from_sockaddr(address, length).value_or(Endpoint());
}

}  // namespace

Result<UniqueFd> stream_socket(const Endpoint& endpoint) {
  UniqueFd fd(::socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, endpoint.to_string() + ": socket");
  return fd;
}

Result<> set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return fail_errno(errno, "fcntl");
  if ((flags & O_NONBLOCK) == 0 && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return fail_errno(errno, "fcntl");
  return {};
}

void apply(const SocketOptions& options, int fd, int family) {
  if (family == AF_UNIX) return;
  const bool v4 = family == AF_INET;
  if (options.no_delay) set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.ttl > 0) set(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_UNICAST_HOPS, options.ttl);
  if (options.tos > 0) set(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, options.tos);
  if (options.linger_seconds == 0) {
    // Positive times are kept by finish(): with SO_LINGER close(2) would hold
    // up the whole loop, non-blocking socket or not.
    const struct linger reset = {1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
}

Endpoint local_name(int fd) { return name_from(::getsockname, fd); }
Endpoint peer_name(int fd) { return name_from(::getpeername, fd); }

IoResult receive_plain(int fd, std::span<char> into) {
  ssize_t got = 0;
  do {
    got = ::recv(fd, into.data(), into.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got > 0) return {Io::ok, static_cast<size_t>(got), false, {}};
  if (got == 0) return {Io::end, 0, false, {}};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {Io::need_read, 0, false, {}};
  return {Io::failed, 0, false, "read: " + errno_text(errno)};
}

IoResult send_plain(int fd, std::string_view bytes) {
  ssize_t put = 0;
  do {
    put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (put < 0 && errno == EINTR);
  if (put >= 0) return {Io::ok, static_cast<size_t>(put), false, {}};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {Io::need_write, 0, false, {}};
  return {Io::failed, 0, false, "write: " + errno_text(errno)};
}

Io discard_input(int fd, std::span<char> scratch) { return receive_plain(fd, scratch).io; }

}  // namespace impulse::net
