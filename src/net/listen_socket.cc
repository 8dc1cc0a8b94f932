// Listening sockets, and how one takes over from another without a gap.
#include "net/listen_socket.h"

#include "net/acceptor.h"
#include "net/socket.h"
#include "net/unix_name.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>
#include <vector>

namespace impulse::net {

namespace {

bool set(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

class Listener final : public ListenSocket {
 public:
  Listener(UniqueFd fd, Endpoint endpoint, const ListenAttributes& attributes, std::unique_ptr<UnixName> name,
           bool shares_port)
      : fd_(std::move(fd)),
        endpoint_(std::move(endpoint)),
        attributes_(attributes),
        name_(std::move(name)),
        shares_port_(shares_port) {}
  ~Listener() override { disarm(); }

  void publish() noexcept override {
    if (name_) name_->publish();
  }
  void settle() noexcept override {
    if (std::exchange(shares_port_, false)) set(fd_.get(), SOL_SOCKET, SO_REUSEPORT, attributes_.reuse_port);
  }
  // The kernel looks for the best socket first, and passes over retired ones.
  // Only when the one it finds has SO_REUSEPORT does it choose among its group,
  // in which retired ones stay.
  void stand_alone() noexcept override {
    if (name_ || !attributes_.reuse_port || shares_port_) return;
    shares_port_ = set(fd_.get(), SOL_SOCKET, SO_REUSEPORT, 0);
  }
  void repoint(const ListenAttributes& attributes) noexcept override;
  void retire() noexcept override;
  void arm(Loop& loop, Accepted accepted, int per_wakeup, Trouble trouble) override {
    disarm();
    acceptor_ = std::make_shared<Acceptor>(EventLoop::of(loop), fd_.get(), endpoint_, std::move(accepted), per_wakeup,
                                           std::move(trouble));
    acceptor_->start();
  }
  void disarm() override {
    if (acceptor_) acceptor_->stop();
    acceptor_.reset();
  }
  void drain(const Accepted& accepted) override;
  const Endpoint& endpoint() const override { return endpoint_; }
  const ListenAttributes& attributes() const override { return attributes_; }
  int fd() const override { return fd_.get(); }

  const UnixName* name() const { return name_.get(); }
  bool overlaps(const Endpoint& other) const {
    return endpoint_.kind() == other.kind() && !other.is_unix() && endpoint_.port() == other.port() &&
           (endpoint_.address() == other.address() || endpoint_.address().is_any() || other.address().is_any());
  }
  // Lets another socket of ours bind an overlapping address. True when it was
  // not so before.
  bool share_port() {
    if (attributes_.reuse_port) settle();  // it may stand alone
    if (attributes_.reuse_port || shares_port_) return false;
    return shares_port_ = set(fd_.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  }

 private:
  UniqueFd fd_;
  Endpoint endpoint_;
  ListenAttributes attributes_;
  std::unique_ptr<UnixName> name_;  // Unix sockets
  bool shares_port_;                // SO_REUSEPORT is for a take-over otherwise than it is to be
  std::shared_ptr<Acceptor> acceptor_;
};

void Listener::repoint(const ListenAttributes& attributes) noexcept {
  if (attributes.backlog != attributes_.backlog) ::listen(fd_.get(), attributes.backlog);
  if (name_ && attributes.file_mode != attributes_.file_mode) name_->set_mode(attributes.file_mode);
  // 0 leaves what is set: the kernel has no way back to its own choice.
  if (attributes.receive_buffer > 0) set(fd_.get(), SOL_SOCKET, SO_RCVBUF, attributes.receive_buffer);
  if (attributes.send_buffer > 0) set(fd_.get(), SOL_SOCKET, SO_SNDBUF, attributes.send_buffer);
  if (!name_) {
    set(fd_.get(), SOL_SOCKET, SO_REUSEADDR, attributes.reuse_address);
    if (!shares_port_) set(fd_.get(), SOL_SOCKET, SO_REUSEPORT, attributes.reuse_port);
  }
  attributes_ = attributes;
}

// A listening TCP socket that is closed resets what is in its accept queue,
// and no call stops the queue from growing but those that also empty it.
// Bound to an interface that does not exist, it is passed over by the lookup
// for each new SYN, while handshakes under way still end in its queue.
void Listener::retire() noexcept {
  if (name_) {
    // Connects that have found the name already are refused, not lost. Where
    // another socket of ours has taken the name over, they are still served.
    if (name_->remove()) ::shutdown(fd_.get(), SHUT_RD);
  } else {
    set(fd_.get(), SOL_SOCKET, SO_BINDTOIFINDEX, INT_MAX);
  }
}

void Listener::drain(const Accepted& accepted) {
  retire();
  if (name_) ::shutdown(fd_.get(), SHUT_RD);
  for (int left = attributes_.backlog + 1; left > 0;) {
    AcceptResult one = accept_one(fd_.get(), endpoint_);
    if (one.fd) {
      accepted(std::move(one.fd), std::move(one.peer));
      --left;
    } else if (!is_passing(one.error)) {
      return;  // nothing is left, as a rule
    }
  }
}

// Switches SO_REUSEPORT on for the sockets that overlap, and off again when
// the new one does not come to be.
class PortSharing {
 public:
  PortSharing(const Endpoint& endpoint, std::span<ListenSocket* const> replacing) {
    for (ListenSocket* socket : replacing) {
      auto* old = dynamic_cast<Listener*>(socket);
      if (old == nullptr || !old->overlaps(endpoint)) continue;
      needed_ = true;
      if (old->share_port()) changed_.push_back(old);
    }
  }
  ~PortSharing() {
    for (Listener* old : changed_) old->settle();
  }
  PortSharing(const PortSharing&) = delete;
  PortSharing& operator=(const PortSharing&) = delete;
  bool needed() const { return needed_; }
  void keep() { changed_.clear(); }

 private:
  bool needed_ = false;
  std::vector<Listener*> changed_;
};

Result<> set_up(int fd, const Endpoint& endpoint, const ListenAttributes& attributes) {
  const auto refused = [&](std::string_view what) {
    return fail_errno(errno, endpoint.to_string() + ": " + std::string(what));
  };
  if (!endpoint.is_unix()) {
    if (attributes.reuse_address && !set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) return refused("SO_REUSEADDR");
    if (attributes.reuse_port && !set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) return refused("SO_REUSEPORT");
    if (endpoint.kind() == Endpoint::Kind::tcp6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
      return refused("IPV6_V6ONLY");
  }
  // Before listen(): the window's scale is told in the handshake.
  if (attributes.receive_buffer > 0 && !set(fd, SOL_SOCKET, SO_RCVBUF, attributes.receive_buffer))
    return refused("SO_RCVBUF");
  if (attributes.send_buffer > 0 && !set(fd, SOL_SOCKET, SO_SNDBUF, attributes.send_buffer))
    return refused("SO_SNDBUF");
  return {};
}

Result<> bind_to(int fd, const Endpoint& address, const Endpoint& named) {
  sockaddr_storage storage{};
  const socklen_t length = address.to_sockaddr(storage);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) != 0)
    return fail_errno(errno, named.to_string() + ": bind");
  return {};
}

Result<> start_listening(int fd, const Endpoint& endpoint, const ListenAttributes& attributes) {
  if (::listen(fd, attributes.backlog) != 0) return fail_errno(errno, endpoint.to_string() + ": listen");
  return {};
}

Result<std::unique_ptr<ListenSocket>> open_tcp(const Endpoint& endpoint, const ListenAttributes& attributes,
                                               std::span<ListenSocket* const> replacing) {
  auto fd = stream_socket(endpoint);
  if (!fd) return std::unexpected(fd.error());
  PortSharing sharing(endpoint, replacing);
  auto done = set_up(fd->get(), endpoint, attributes);
  const bool shares = sharing.needed() && !attributes.reuse_port && set(fd->get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (done) done = bind_to(fd->get(), endpoint, endpoint);
  if (done) done = start_listening(fd->get(), endpoint, attributes);
  if (!done) return std::unexpected(done.error());
  sharing.keep();
  Endpoint named = local_name(fd->get());  // with the kernel's port where 0 was asked for
  return std::make_unique<Listener>(std::move(*fd), std::move(named), attributes, nullptr, shares);
}

Result<std::unique_ptr<ListenSocket>> open_unix(const Endpoint& endpoint, const ListenAttributes& attributes,
                                                std::span<ListenSocket* const> replacing) {
  std::shared_ptr<FileLock> held;
  for (ListenSocket* socket : replacing) {
    const auto* old = dynamic_cast<Listener*>(socket);
    if (old != nullptr && old->name() != nullptr && old->endpoint() == endpoint) held = old->name()->lock();
  }
  auto name = UnixName::claim(endpoint.path(), std::move(held));
  if (!name) return std::unexpected(name.error());
  auto fd = stream_socket(endpoint);
  if (!fd) return std::unexpected(fd.error());
  auto done = set_up(fd->get(), endpoint, attributes);
  if (done) done = bind_to(fd->get(), Endpoint::unix_socket(temporary_name(endpoint.path())), endpoint);
  if (done) done = (*name)->bound(attributes.file_mode);  // before anybody can connect
  if (done) done = start_listening(fd->get(), endpoint, attributes);
  if (!done) return std::unexpected(done.error());
  return std::make_unique<Listener>(std::move(*fd), endpoint, attributes, std::move(*name), false);
}

}  // namespace

Result<std::unique_ptr<ListenSocket>> ListenSocket::open(const Endpoint& endpoint, const ListenAttributes& attributes,
                                                         std::span<ListenSocket* const> replacing) {
  return endpoint.is_unix() ? open_unix(endpoint, attributes, replacing) : open_tcp(endpoint, attributes, replacing);
}

}  // namespace impulse::net
