// Where a socket listens or connects to: an IP address with a port, or the
// path of a Unix socket. Its canonical text is the instance name of a Listen.
#pragma once

#include "base/ip.h"

#include <sys/socket.h>

#include <compare>
#include <cstdint>
#include <string>

namespace impulse {

class Endpoint {
 public:
  enum class Kind : uint8_t { tcp4, tcp6, unix_path };

  Endpoint() = default;
  static Endpoint tcp(const IpAddress& address, uint16_t port);
  static Endpoint unix_socket(std::string path);

  // "*:25" and ":25" (all IPv4 addresses), "127.0.0.1:25", "[*]:25" and
  // "[::]:25" (all IPv6 addresses), "[2001:db8::1]:25", "/path/to/socket";
  // a path that starts with "./" or "../" is relative to the working directory.
  // Host names are not taken. A port is needed, 1 to 65535, or 0 where
  // `port_zero` allows the kernel's choice (tests).
  static Result<Endpoint> parse(std::string_view text, bool port_zero = false);
  static Result<Endpoint> from_sockaddr(const sockaddr* address, socklen_t length);

  Kind kind() const { return kind_; }
  bool is_unix() const { return kind_ == Kind::unix_path; }
  const IpAddress& address() const { return address_; }  // TCP only
  uint16_t port() const { return port_; }                // TCP only
  const std::string& path() const { return path_; }      // Unix only

  // Canonical: "*:25", "127.0.0.1:25", "[*]:25", "[2001:db8::1]:25", "/path".
  std::string to_string() const;
  // Fills `storage`, returns the length. A path is at most 107 bytes (checked
  // by parse).
  socklen_t to_sockaddr(sockaddr_storage& storage) const;
  int family() const;  // AF_INET, AF_INET6, AF_UNIX

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;

 private:
  Kind kind_ = Kind::tcp4;
  IpAddress address_;
  uint16_t port_ = 0;
  std::string path_;
};

}  // namespace impulse
