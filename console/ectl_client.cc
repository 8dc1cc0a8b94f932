#include "console/ectl_client.h"

#include "base/text.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace impulse::console {

namespace {

constexpr size_t longest_line = 1 << 20;  // the protocol says 64 KiB; above this it is something else

using Kind = Failure::Kind;

// poll for one descriptor or the user's interrupt.
Outcome<> wait_for(int fd, short events, const Client::Settings& settings) {
  const auto begun = std::chrono::steady_clock::now();
  for (;;) {
    int patience = -1;
    if (settings.timeout.count() > 0) {
      const auto left = settings.timeout -
                        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
      patience = static_cast<int>(std::max<int64_t>(left.count(), 0));
    }
    pollfd watched[2] = {{fd, events, 0}, {settings.wake, POLLIN, 0}};
    const int ready = ::poll(watched, settings.wake >= 0 ? 2 : 1, patience);
    if (ready < 0 && errno != EINTR) return failed(Kind::unreachable, "poll: " + errno_text(errno));
    if (ready < 0) continue;
    if (ready == 0)
      return failed(Kind::timeout,
                    fmt::format("no answer for {} seconds", static_cast<double>(settings.timeout.count()) / 1000));
    if (settings.wake >= 0 && watched[1].revents != 0) return failed(Kind::interrupted, "interrupted");
    if (watched[0].revents != 0) return {};
  }
}

Outcome<UniqueFd> connect_to(int family, const sockaddr* address, socklen_t length, const Client::Settings& settings) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return failed(Kind::unreachable, "socket: " + errno_text(errno));
  if (::connect(fd.get(), address, length) == 0) return fd;
  // EAGAIN: the backlog of a Unix socket is full; there is nothing to poll for.
  if (errno != EINPROGRESS) return failed(Kind::unreachable, errno_text(errno));
  if (auto waited = wait_for(fd.get(), POLLOUT, settings); !waited) return std::unexpected(waited.error());
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return failed(Kind::unreachable, errno_text(error));
  return fd;
}

Outcome<UniqueFd> connect_path(const std::string& path, const Client::Settings& settings) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return failed(Kind::misuse, "the path is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return connect_to(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address, settings);
}

Outcome<UniqueFd> connect_host(const Address& address, const Client::Settings& settings) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &list);
  if (error != 0) return failed(Kind::unreachable, ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(list, ::freeaddrinfo);
  Outcome<UniqueFd> last = failed(Kind::unreachable, "no address");
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    last = connect_to(each->ai_family, each->ai_addr, each->ai_addrlen, settings);
    if (last || last.error().kind == Kind::interrupted) break;
  }
  return last;
}

}  // namespace

Outcome<Client> Client::connect(const Address& address, const Settings& settings) {
  auto socket = address.path.empty() ? connect_host(address, settings) : connect_path(address.path, settings);
  if (!socket)
    return failed(socket.error().kind,
                  fmt::format("cannot connect to {}: {}", address.to_string(), socket.error().text));
  return over(std::move(*socket), settings);
}

Outcome<Client> Client::over(UniqueFd socket, const Settings& settings) {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) < 0)
    return failed(Kind::unreachable, "fcntl: " + errno_text(errno));
  Client client(std::move(socket), settings);
  if (auto greeted = client.read_greeting(); !greeted) return std::unexpected(std::move(greeted.error()));
  return client;
}

Outcome<> Client::wait(short events) { return wait_for(socket_.get(), events, settings_); }

Outcome<> Client::read_greeting() {
  auto line = read_line();
  if (!line) return std::unexpected(std::move(line.error()));
  if (auto greeting = console::read_greeting(*line)) {
    greeting_ = std::move(*greeting);
    return {};
  }
  // A daemon that does not want us says why instead.
  const auto refusal = read_reply_line(*line);
  if (refusal && refusal->kind == ReplyLine::Kind::notice)
    return failed(Kind::denied, fmt::format("refused: {} [{}]", refusal->text, refusal->id));
  return failed(Kind::foreign, fmt::format("this is no console: it says '{}'", escape_line(*line, 128)));
}

Outcome<> Client::send(std::string_view request, std::string_view payload) {
  if (request.find_first_of(std::string_view("\n\0", 2)) != std::string_view::npos)
    return failed(Kind::misuse, "a request is one line, without NULs");
  std::string bytes(request);
  bytes += '\n';
  bytes += payload;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t sent = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      if (auto waited = wait(POLLOUT); !waited) return waited;
    } else if (errno != EINTR) {
      return failed(Kind::unreachable, "connection lost: " + errno_text(errno));
    }
  }
  return {};
}

Outcome<std::string> Client::read_line() {
  size_t looked = read_;
  for (;;) {
    if (const size_t end = input_.find('\n', looked); end != std::string::npos) {
      std::string line = input_.substr(read_, end - read_);
      if (line.ends_with('\r')) line.pop_back();
      read_ = end + 1;
      return line;
    }
    input_.erase(0, read_);
    read_ = 0;
    looked = input_.size();
    if (looked > longest_line) return failed(Kind::foreign, "the answer has an endless line");
    char block[16384];
    const ssize_t got = ::recv(socket_.get(), block, sizeof block, 0);
    if (got > 0) {
      input_.append(block, static_cast<size_t>(got));
    } else if (got == 0) {
      return failed(Kind::unreachable, "the connection was closed by the daemon");
    } else if (errno == EAGAIN) {
      if (auto waited = wait(POLLIN); !waited) return std::unexpected(std::move(waited.error()));
    } else if (errno != EINTR) {
      return failed(Kind::unreachable, "connection lost: " + errno_text(errno));
    }
  }
}

Outcome<ReplyLine> Client::next() {
  auto line = read_line();
  if (!line) return std::unexpected(std::move(line.error()));
  auto reply = read_reply_line(*line);
  if (!reply) return failed(Kind::foreign, reply.error().message);
  return std::move(*reply);
}

bool Client::peer_closed() {
  char block[4096];
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), block, sizeof block, MSG_DONTWAIT);
    if (got > 0) continue;  // nothing is expected between requests but a word of farewell
    return got == 0 || (errno != EAGAIN && errno != EINTR);
  }
}

}  // namespace impulse::console
