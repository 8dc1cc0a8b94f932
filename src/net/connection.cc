// The handle that owners hold, and the two ways a connection comes to be.
#include "net/connection.h"

#include "net/connection_core.h"
#include "net/socket.h"
#include "net/unix_name.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

namespace impulse::net {

namespace {

class Handle final : public Connection {
 public:
  explicit Handle(std::shared_ptr<ConnectionCore> core) : core_(std::move(core)) {}
  ~Handle() override { core_->detach(); }

  void write(std::string_view bytes) override { core_->write(bytes); }
  size_t unsent() const override { return core_->unsent(); }
  void want_drained() override { core_->want_drained(); }
  void start_tls_server(TlsContextPtr context) override { core_->start_tls(TlsSession::server(std::move(context))); }
  void start_tls_client(TlsContextPtr context, const std::string& server_name, bool verify_name) override {
    core_->start_tls(TlsSession::client(std::move(context), server_name, verify_name));
  }
  std::optional<TlsInfo> tls() const override { return core_->tls(); }
  std::optional<std::string> channel_binding(std::string_view type) const override {
    return core_->channel_binding(type);
  }
  void pause_reading() override { core_->pause_reading(); }
  void resume_reading() override { core_->resume_reading(); }
  void deadline(Duration after) override { core_->deadline(after); }
  void finish() override { core_->finish(); }
  void close() override { core_->close(); }
  const Endpoint& peer() const override { return core_->peer(); }
  const Endpoint& local() const override { return core_->local(); }
  Loop& loop() override { return core_->loop(); }
  int fd() const override { return core_->fd(); }
  uint64_t bytes_in() const override { return core_->bytes_in(); }
  uint64_t bytes_out() const override { return core_->bytes_out(); }

 private:
  std::shared_ptr<ConnectionCore> core_;
};

Result<> bind_source(int fd, const IpAddress& source, const Endpoint& to) {
  const Endpoint from = Endpoint::tcp(source, 0);
  if (from.family() != to.family())
    return fail(Errc::invalid, "{}: cannot be reached from source address {}", to.to_string(), source.to_string());
  // The port is chosen at connect, when the whole four-tuple is known: otherwise ports run out early.
  const int late = 1;
  ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
  sockaddr_storage storage{};
  const socklen_t length = from.to_sockaddr(storage);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) != 0)
    return fail_errno(errno, fmt::format("{}: source address {}", to.to_string(), source.to_string()));
  return {};
}

}  // namespace

std::unique_ptr<Connection> Connection::accepted(Loop& loop, UniqueFd fd, ConnectionHandler& handler,
                                                 const SocketOptions& options, const ConnectionLimits& limits) {
  ConnectionCore::Setup setup;
  setup.limits = limits;
  setup.linger_seconds = options.linger_seconds;
  setup.local = local_name(fd.get());
  if (setup.local.is_unix()) {
    setup.local = Endpoint::unix_socket(published_name(setup.local.path()));
    setup.peer = setup.local;
  } else {
    setup.peer = peer_name(fd.get());
  }
  const bool usable = set_nonblocking(fd.get()).has_value();
  if (usable) apply(options, fd.get(), setup.local.family());
  setup.fd = std::move(fd);
  auto core = std::make_shared<ConnectionCore>(EventLoop::of(loop), handler, std::move(setup));
  // A failure is told by on_closed, as every later one.
  if (!core->start() || !usable) core->close();
  return std::make_unique<Handle>(std::move(core));
}

Result<std::unique_ptr<Connection>> Connection::connect(Loop& loop, const Endpoint& to,
                                                        const std::optional<IpAddress>& source,
                                                        ConnectionHandler& handler, const SocketOptions& options,
                                                        const ConnectionLimits& limits) {
  auto fd = stream_socket(to);
  if (!fd) return std::unexpected(fd.error());
  apply(options, fd->get(), to.family());
  if (source && !to.is_unix()) {
    if (auto bound = bind_source(fd->get(), *source, to); !bound) return std::unexpected(bound.error());
  }
  sockaddr_storage storage{};
  const socklen_t length = to.to_sockaddr(storage);
  if (::connect(fd->get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0 && errno != EINPROGRESS) {
    if (errno == EAGAIN) return fail(Errc::busy, "{}: connect: too many are waiting there", to.to_string());
    return fail_errno(errno, to.to_string() + ": connect");
  }
  ConnectionCore::Setup setup;
  setup.limits = limits;
  setup.linger_seconds = options.linger_seconds;
  setup.peer = to;
  setup.local = to.is_unix() ? to : Endpoint();
  setup.connecting = true;
  setup.fd = std::move(*fd);
  auto core = std::make_shared<ConnectionCore>(EventLoop::of(loop), handler, std::move(setup));
  if (auto started = core->start(); !started) {
    core->detach();
    return std::unexpected(started.error());
  }
  return std::make_unique<Handle>(std::move(core));
}

}  // namespace impulse::net
