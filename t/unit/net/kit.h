// What the net tests share: a loop that is run until something is true, and
// raw sockets as the other side.
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/fd.h"
#include "net/loop.h"

#include <cppunit/extensions/HelperMacros.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace impulse::net::test {

inline std::unique_ptr<Loop> make_loop() {
  auto loop = Loop::create("test");
  CPPUNIT_ASSERT(loop.has_value());
  return std::move(*loop);
}

// Runs the loop on this thread until `done`. A guard, far beyond what any
// machine needs, keeps a broken test from hanging.
inline void run_until(Loop& loop, const std::function<bool()>& done, std::string_view what = "condition") {
  bool late = false;
  Timer guard(loop, [&] { late = true; });
  guard.start(std::chrono::seconds(30));
  Timer tick(loop, [&] { tick.start(std::chrono::milliseconds(2)); });  // `done` may look beyond the loop
  tick.start(std::chrono::milliseconds(2));
  while (!done()) {
    event_base_loop(loop.base(), EVLOOP_ONCE);
    CPPUNIT_ASSERT_MESSAGE("waited in vain for: " + std::string(what), !late);
  }
}

// Lets what is pending run: `rounds` times through the loop.
inline void spin(Loop& loop, int rounds = 20) {
  for (int i = 0; i < rounds; ++i) event_base_loop(loop.base(), EVLOOP_NONBLOCK);
}

// For use inside callbacks, where a connection or an acceptor would catch the
// exception that CPPUNIT_ASSERT throws.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "\nfailed inside a callback: %s\n", what);
  std::abort();
}

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/net_test.XXXXXX";
    CPPUNIT_ASSERT(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string operator/(std::string_view file) const { return path_ + "/" + std::string(file); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline void set_nonblocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

// The other side of a connection: a plain non-blocking socket, no code of ours.
class RawPeer {
 public:
  RawPeer() = default;
  explicit RawPeer(UniqueFd fd) : fd_(std::move(fd)) { set_nonblocking(fd_.get()); }

  int fd() const { return fd_.get(); }
  void send(std::string_view bytes) {
    CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(bytes.size()),
                         ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  // How much the kernel took.
  size_t send_some(std::string_view bytes) {
    const ssize_t put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN) error = errno;
    return put > 0 ? static_cast<size_t>(put) : 0;
  }
  // Takes what is there; true while something may still come.
  bool receive() {
    char buffer[65536];
    for (;;) {
      const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (got > 0) {
        received.append(buffer, static_cast<size_t>(got));
        continue;
      }
      if (got == 0) ended = true;
      if (got < 0 && errno != EAGAIN) error = errno;
      return !ended && error == 0;
    }
  }
  void shut_write() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  void reset() {  // with an RST
    const struct linger now = {1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.reset();
  }

  std::string received;
  bool ended = false;
  int error = 0;

 private:
  UniqueFd fd_;
};

// Binds `fd` and listens; returns where, with the port that the kernel chose.
inline Endpoint listen_somewhere(int fd, const char* where = "127.0.0.1:0") {
  const auto any = Endpoint::parse(where, true);
  sockaddr_storage storage{};
  socklen_t length = any->to_sockaddr(storage);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  CPPUNIT_ASSERT_EQUAL(0, ::bind(fd, address, length));
  CPPUNIT_ASSERT_EQUAL(0, ::listen(fd, 10));
  length = sizeof storage;
  ::getsockname(fd, address, &length);
  return *Endpoint::from_sockaddr(address, length);
}

// A connected pair over TCP on loopback.
struct TcpPair {
  UniqueFd ours, theirs;
  explicit TcpPair(int buffers = 0) {
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto any = Endpoint::parse("127.0.0.1:0", true);
    sockaddr_storage storage{};
    socklen_t length = any->to_sockaddr(storage);
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    if (buffers > 0) ::setsockopt(listener.get(), SOL_SOCKET, SO_RCVBUF, &buffers, sizeof buffers);
    CPPUNIT_ASSERT_EQUAL(0, ::bind(listener.get(), address, length));
    CPPUNIT_ASSERT_EQUAL(0, ::listen(listener.get(), 1));
    length = sizeof storage;
    ::getsockname(listener.get(), address, &length);
    theirs = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (buffers > 0) ::setsockopt(theirs.get(), SOL_SOCKET, SO_RCVBUF, &buffers, sizeof buffers);
    CPPUNIT_ASSERT_EQUAL(0, ::connect(theirs.get(), address, length));
    ours = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    CPPUNIT_ASSERT(ours);
    if (buffers > 0) ::setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUF, &buffers, sizeof buffers);
  }
};

}  // namespace impulse::net::test
