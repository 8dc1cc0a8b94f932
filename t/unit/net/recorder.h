// A ConnectionHandler that writes down what happens and can be told what to do,
// and the ways to set one up at an end of a connection, or at both.
#pragma once

#include "kit.h"
#include "net/connection.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace impulse::net::test {

class Recorder : public ConnectionHandler {
 public:
  std::unique_ptr<Connection> connection;
  std::string data;  // taken so far
  std::string events;
  std::optional<CloseReason> closed;
  std::string detail;
  std::optional<TlsInfo> tls;
  int calls = 0;       // of on_data
  size_t largest = 0;  // span offered
  bool echo = false;
  bool drop_on_close = true;
  // Replaces the taking of everything.
  std::function<size_t(std::string_view)> take;
  std::function<void()> deadline, drained, connected, secured;

  size_t on_data(std::string_view bytes) override {
    ++calls;
    largest = std::max(largest, bytes.size());
    require(!closed, "no on_data after on_closed");
    if (take) {
      const std::string copy(bytes);
      const size_t taken = take(bytes);
      // The bytes must be valid to the end, whatever the handler did.
      require(copy == bytes, "bytes valid to the end of on_data");
      data += copy.substr(0, taken);
      return taken;
    }
    data += bytes;
    if (echo) connection->write(bytes);
    return bytes.size();
  }
  void on_tls(const TlsInfo& info) override {
    events += "tls ";
    tls = info;
    if (secured) secured();
  }
  void on_connected() override {
    events += "connected ";
    if (connected) connected();
  }
  void on_deadline() override {
    events += "deadline ";
    if (deadline) deadline();
  }
  void on_drained() override {
    events += "drained ";
    if (drained) drained();
  }
  void on_closed(CloseReason reason, std::string_view why) override {
    require(!closed, "on_closed once");
    events += "closed ";
    closed = reason;
    detail = why;
    if (drop_on_close) connection.reset();
  }

  void accept(Loop& loop, UniqueFd fd, const SocketOptions& options = {}, const ConnectionLimits& limits = {}) {
    connection = Connection::accepted(loop, std::move(fd), *this, options, limits);
  }
};

inline std::string pattern(size_t size) {
  std::string text(size, '\0');
  uint32_t state = 12345;
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

// Our Connection, a raw socket as its peer.
struct Session {
  std::unique_ptr<Loop> loop = make_loop();
  Recorder handler;
  RawPeer peer;
  explicit Session(int buffers = 0, const ConnectionLimits& limits = {}, const SocketOptions& options = {}) {
    TcpPair pair(buffers);
    peer = RawPeer(std::move(pair.theirs));
    handler.accept(*loop, std::move(pair.ours), options, limits);
  }
  ~Session() { handler.connection.reset(); }
  void until(const std::function<bool()>& done, std::string_view what = "condition") { run_until(*loop, done, what); }
  void until_closed() {
    until([&] { return handler.closed.has_value(); }, "on_closed");
  }
  void until_received(size_t bytes) {
    until(
        [&] {
          peer.receive();
          return peer.received.size() >= bytes;
        },
        "bytes at the peer");
  }
};

// The same, and TLS begins at once unless `context` is null.
struct Server : Session {
  explicit Server(const TlsContextPtr& context, int buffers = 0, const ConnectionLimits& limits = {})
      : Session(buffers, limits) {
    if (context) handler.connection->start_tls_server(context);
  }
};

// Our Connections at both ends.
struct Both {
  std::unique_ptr<Loop> loop = make_loop();
  Recorder server, client;
  explicit Both(int buffers = 0, const ConnectionLimits& limits = {}) {
    TcpPair pair(buffers);
    server.accept(*loop, std::move(pair.ours), {}, limits);
    client.accept(*loop, std::move(pair.theirs));
  }
  ~Both() {
    server.connection.reset();
    client.connection.reset();
  }
  void until(const std::function<bool()>& done, std::string_view what = "condition") { run_until(*loop, done, what); }
  void secure(const TlsContextPtr& server_context, const TlsContextPtr& client_context,
              const std::string& name = "localhost", bool verify = true) {
    server.connection->start_tls_server(server_context);
    client.connection->start_tls_client(client_context, name, verify);
    until([&] { return settled(server) && settled(client); }, "handshake");
  }
  static bool settled(const Recorder& side) { return side.tls.has_value() || side.closed.has_value(); }
};

}  // namespace impulse::net::test

namespace CppUnit {
template <>
struct assertion_traits<impulse::net::CloseReason> {
  static bool equal(impulse::net::CloseReason a, impulse::net::CloseReason b) { return a == b; }
  static std::string toString(impulse::net::CloseReason reason) {
    constexpr const char* names[] = {"peer_closed", "local", "timeout", "reset", "tls_failed"};
    return names[static_cast<int>(reason)];
  }
};
}  // namespace CppUnit
