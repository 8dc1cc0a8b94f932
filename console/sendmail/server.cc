#include "console/sendmail/server.h"

#include "base/endpoint.h"
#include "base/files.h"
#include "base/text.h"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

namespace impulse::sendmail {
namespace {

constexpr time_t connect_seconds = 60;

Failure cannot_connect(const std::string& place, int error) {
  const bool forbidden = error == EACCES || error == EPERM;
  return {forbidden ? EX_NOPERM : EX_TEMPFAIL,
          fmt::format("the server at {}: {}", escape_line(place), errno_text(error == EAGAIN ? ETIMEDOUT : error))};
}

// 0, or errno. A socket's time-out for sending is that for connecting too.
int open_socket(int family, const sockaddr* address, socklen_t length, UniqueFd& out) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  const timeval limit{connect_seconds, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(fd.get(), address, length) != 0) return errno == EINPROGRESS ? ETIMEDOUT : errno;
  out = std::move(fd);
  return 0;
}

Outcome<UniqueFd> connect_tcp(const std::string& place) {
  const size_t colon = place.rfind(':');
  std::string host = colon == std::string::npos ? "" : place.substr(0, colon);
  const std::string port = colon == std::string::npos ? "" : place.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const auto number = parse_unsigned(port, 65535);
  if (host.empty() || !number || *number == 0)
    return fail_with(EX_USAGE, fmt::format("no server: {}; a path or HOST:PORT is expected", escape_line(place)));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) {
    return fail_with(error == EAI_NONAME ? EX_NOHOST : EX_TEMPFAIL,
                     fmt::format("the server at {}: {}", escape_line(place), ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  int last = EHOSTUNREACH;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    UniqueFd fd;
    last = open_socket(at->ai_family, at->ai_addr, at->ai_addrlen, fd);
    if (last == 0) return fd;
  }
  return std::unexpected(cannot_connect(place, last));
}

}  // namespace

Outcome<UniqueFd> connect_to(const std::string& place) {
  if (!place.starts_with('/') && !place.starts_with("./") && !place.starts_with("../")) return connect_tcp(place);
  const auto endpoint = Endpoint::parse(place);
  if (!endpoint) return fail_with(EX_USAGE, "no server: " + endpoint.error().message);
  sockaddr_storage storage{};
  const socklen_t length = endpoint->to_sockaddr(storage);
  UniqueFd fd;
  const int error = open_socket(AF_UNIX, reinterpret_cast<const sockaddr*>(&storage), length, fd);
  if (error != 0) return std::unexpected(cannot_connect(place, error));
  return fd;
}

Outcome<> pass_through(int server, int in, int out) {
  std::array<char, 32768> buffer;
  std::string waiting;  // for the server, which may take none before its replies are read
  bool more = true;     // may come on `in`
  while (true) {
    const auto wanted = static_cast<short>(waiting.empty() ? POLLIN : POLLIN | POLLOUT);
    std::array<pollfd, 2> watched{{{server, wanted, 0}, {more && waiting.empty() ? in : -1, POLLIN, 0}}};
    if (::poll(watched.data(), watched.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return fail_with(EX_OSERR, "poll: " + errno_text(errno));
    }
    // First what the server has said: it is passed on even where the server listens no more.
    if ((watched[0].revents & ~POLLOUT) != 0) {
      const ssize_t got = ::read(server, buffer.data(), buffer.size());
      if (got == 0) return {};
      if (got < 0 && errno != EINTR) return fail_with(EX_TEMPFAIL, "the server: " + errno_text(errno));
      if (got > 0) {
        if (const auto written = write_all(out, {buffer.data(), static_cast<size_t>(got)}); !written)
          return fail_with(EX_IOERR, "standard output: " + written.error().message);
      }
    } else if (watched[0].revents != 0) {
      const ssize_t sent = ::send(server, waiting.data(), waiting.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent >= 0) {
        waiting.erase(0, static_cast<size_t>(sent));
      } else if (errno != EINTR && errno != EAGAIN) {  // it has hung up; what it said before comes yet
        waiting.clear();
        more = false;
      }
    } else if (watched[1].revents != 0) {
      const ssize_t got = ::read(in, buffer.data(), buffer.size());
      if (got < 0 && errno != EINTR) return fail_with(EX_IOERR, "standard input: " + errno_text(errno));
      if (got > 0) waiting.assign(buffer.data(), static_cast<size_t>(got));
      if (got == 0) {  // the server ends the session when it has answered what it got
        more = false;
        ::shutdown(server, SHUT_WR);
      }
    }
  }
}

}  // namespace impulse::sendmail
