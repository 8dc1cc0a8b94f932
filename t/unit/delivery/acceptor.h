// What servers for tests have in common: blocking sockets, a thread a connection.
#pragma once

#include "base/fd.h"
#include "net/tls.h"
#include "net/tls_rules.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace impulse::delivery::test {

// One connection's bytes, plain or not.
struct Wire {
  int fd;
  const std::atomic<bool>& stopping;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, &SSL_free};
  std::string buffer{};
  net::TlsNotes tls_state{};  // that the context's callbacks write to, as in a TlsSession

  // False: the client has gone, or the test ends.
  bool fill() {
    while (ssl == nullptr || SSL_has_pending(ssl.get()) == 0) {
      pollfd wait{fd, POLLIN, 0};
      const int ready = ::poll(&wait, 1, 5);
      if (stopping) return false;
      if (ready > 0) break;
    }
    char bytes[16384];
    const long got = ssl ? SSL_read(ssl.get(), bytes, sizeof bytes) : ::recv(fd, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer.append(bytes, static_cast<size_t>(got));
    return true;
  }
  bool write(const std::string& text) {
    if (ssl) return SSL_write(ssl.get(), text.data(), static_cast<int>(text.size())) > 0;
    return ::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  bool accept_tls(const net::TlsContextPtr& context) {
    ssl.reset(SSL_new(context->native()));
    SSL_set_app_data(ssl.get(), &tls_state);
    SSL_set_fd(ssl.get(), fd);
    return SSL_accept(ssl.get()) == 1;
  }
  // Until the client goes.
  void mute() {
    while (fill()) buffer.clear();
  }
};

// Listens, and gives each connection (from 1) a thread.
class Acceptor {
 public:
  explicit Acceptor(std::function<void(UniqueFd fd, int connection)> serve) : serve_(std::move(serve)) {
    reserved_ = bound(0);
    sockaddr_in address{};
    socklen_t length = sizeof address;
    ::getsockname(reserved_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    listen();
  }
  ~Acceptor() { stop(); }
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  uint16_t port() const { return port_; }
  int connections() const { return connections_; }
  const std::atomic<bool>& stopping() const { return stopping_; }
  // Refuses connections, and takes them again on the same port.
  void stop() {
    stopping_ = true;
    if (acceptor_.joinable()) acceptor_.join();
    listener_.reset();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  void resume() {
    stopping_ = false;
    listen();
  }

 private:
  static UniqueFd bound(uint16_t port) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int one = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    CPPUNIT_ASSERT_EQUAL(0, ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    return fd;
  }
  void listen() {
    listener_ = bound(port_);
    CPPUNIT_ASSERT_EQUAL(0, ::listen(listener_.get(), 128));
    acceptor_ = std::thread([this] { accept(); });
  }

  void accept() {
    while (!stopping_) {
      pollfd wait{listener_.get(), POLLIN, 0};
      if (::poll(&wait, 1, 5) <= 0) continue;
      UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) continue;
      const int one = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      const int number = ++connections_;
      threads_.emplace_back([this, number, fd = std::move(fd)]() mutable { serve_(std::move(fd), number); });
    }
  }

  const std::function<void(UniqueFd fd, int connection)> serve_;
  UniqueFd reserved_;  // never listens: the port stays this one's while stopped
  uint16_t port_ = 0;
  UniqueFd listener_;
  std::thread acceptor_;
  std::list<std::thread> threads_;  // the acceptor's, until it has ended
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
};

}  // namespace impulse::delivery::test
