// A ConnectionHandler that writes down what happens and can be told what to do.
#pragma once

#include "kit.h"
#include "net/connection.h"

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
