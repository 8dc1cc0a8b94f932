#include "console/ectl_client.h"

#include "base/endpoint.h"
#include "base/text.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
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

// An answer that comes faster than it can be shown never has to be waited for.
bool is_interrupted(const Client::Settings& settings) {
  pollfd watched = {settings.wake, POLLIN, 0};
  return settings.wake >= 0 && ::poll(&watched, 1, 0) > 0;
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

// Both ends are on this machine.
bool stays_here(int fd) {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0) return false;
  if (peer.ss_family == AF_UNIX) return true;
  const auto endpoint = Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&peer), length);
  return endpoint && endpoint->address().is_loopback();
}

}  // namespace

Outcome<Client> Client::connect(const Address& address, const Settings& settings, const TlsOptions& tls) {
  const bool tcp = address.path.empty();
  auto socket = tcp ? connect_host(address, settings) : connect_path(address.path, settings);
  if (!socket)
    return failed(socket.error().kind,
                  fmt::format("cannot connect to {}: {}", address.to_string(), socket.error().text));
  if (!tls.enabled || !tcp) return over(std::move(*socket), settings);
  Client client(std::move(*socket), settings);
  Outcome<> done = client.begin_tls(tls, address.host);
  if (!done) return failed(done.error().kind, fmt::format("{}: {}", address.to_string(), done.error().text));
  client.confidential_ = true;
  done = client.read_greeting();
  if (!done) return std::unexpected(std::move(done.error()));
  return client;
}

Outcome<Client> Client::over(UniqueFd socket, const Settings& settings) {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) < 0)
    return failed(Kind::unreachable, "fcntl: " + errno_text(errno));
  Client client(std::move(socket), settings);
  client.confidential_ = stays_here(client.fd());
  if (auto greeted = client.read_greeting(); !greeted) return std::unexpected(std::move(greeted.error()));
  return client;
}

Outcome<> Client::begin_tls(const TlsOptions& tls, const std::string& host) {
  if (auto started = transport_.start_tls(tls, host); !started) return started;
  for (;;) {
    const Transport::Io step = transport_.handshake();
    if (!step.error.empty()) return failed(Kind::unreachable, step.error);
    if (step.wait == 0) return {};
    if (auto waited = wait_for(fd(), step.wait, settings_); !waited) return waited;
  }
}

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
  return failed(Kind::foreign,
                fmt::format("this is no console{}: it says '{}'",
                            transport_.encrypted() ? "" : ", or one that wants --tls", escape_line(*line, 128)));
}

Outcome<> Client::send(std::string_view request, std::string_view payload) {
  if (request.find_first_of(std::string_view("\n\0", 2)) != std::string_view::npos)
    return failed(Kind::misuse, "a request is one line, without NULs");
  std::string bytes(request);
  bytes += '\n';
  bytes += payload;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const Transport::Io step = transport_.write(rest);
    if (!step.error.empty()) return failed(Kind::unreachable, "connection lost: " + step.error);
    if (step.closed) return failed(Kind::unreachable, "the connection was closed by the daemon");
    rest.remove_prefix(step.bytes);
    if (step.wait == 0) continue;
    if (auto waited = wait_for(fd(), step.wait, settings_); !waited) return waited;
  }
  owed_ = true;
  return {};
}

std::optional<std::string> Client::buffered_line() {
  const size_t end = input_.find('\n', read_);
  if (end == std::string::npos) return std::nullopt;
  std::string line = input_.substr(read_, end - read_);
  if (line.ends_with('\r')) line.pop_back();
  read_ = end + 1;
  return line;
}

Outcome<std::string> Client::read_line() {
  for (;;) {
    if (auto line = buffered_line()) return std::move(*line);
    if (closed_) return failed(Kind::unreachable, "the connection was closed by the daemon");
    input_.erase(0, read_);
    read_ = 0;
    if (input_.size() > longest_line) return failed(Kind::foreign, "the answer has an endless line");
    if (is_interrupted(settings_)) return failed(Kind::interrupted, "interrupted");
    char block[16384];
    const Transport::Io step = transport_.read(block, sizeof block);
    if (!step.error.empty()) return failed(Kind::unreachable, "connection lost: " + step.error);
    input_.append(block, step.bytes);
    closed_ = step.closed;
    if (step.wait == 0) continue;
    if (auto waited = wait_for(fd(), step.wait, settings_); !waited) return std::unexpected(std::move(waited.error()));
  }
}

Outcome<ReplyLine> Client::next() {
  auto line = read_line();
  if (!line) return std::unexpected(std::move(line.error()));
  auto reply = read_reply_line(*line);
  if (!reply) return failed(Kind::foreign, reply.error().message);
  if (reply->kind == ReplyLine::Kind::status) owed_ = false;
  return std::move(*reply);
}

Outcome<> Client::settle(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const auto usual = settings_.timeout;
  Outcome<> done;
  while (owed_ && done) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      done = failed(Kind::timeout, "the answer before does not end");
      break;
    }
    settings_.timeout = left;
    if (auto line = next(); !line) done = std::unexpected(std::move(line.error()));
  }
  settings_.timeout = usual;
  return done;
}

void Client::fill() {
  char block[4096];
  while (!closed_ && input_.size() - read_ < longest_line) {
    const Transport::Io step = transport_.read(block, sizeof block);
    input_.append(block, step.bytes);
    if (step.closed || !step.error.empty()) closed_ = true;
    if (step.wait != 0) return;
  }
}

std::optional<ReplyLine> Client::unasked() {
  if (owed_) return std::nullopt;
  fill();
  auto line = buffered_line();
  if (!line) return std::nullopt;
  auto reply = read_reply_line(*line);
  if (reply) return std::move(*reply);
  closed_ = true;  // whatever this is, nothing more is wanted of it
  return std::nullopt;
}

void Client::abandon() {
  const linger at_once{1, 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

bool Client::peer_closed() {
  if (!owed_) fill();
  return closed_;
}

}  // namespace impulse::console
