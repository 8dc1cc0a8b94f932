#include "base/endpoint.h"

#include "base/text.h"

#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace impulse {

Endpoint Endpoint::tcp(const IpAddress& address, uint16_t port) {
  Endpoint endpoint;
  endpoint.kind_ = address.is_v4() ? Kind::tcp4 : Kind::tcp6;
  endpoint.address_ = address;
  endpoint.port_ = port;
  return endpoint;
}

Endpoint Endpoint::unix_socket(std::string path) {
  Endpoint endpoint;
  endpoint.kind_ = Kind::unix_path;
  endpoint.path_ = std::move(path);
  return endpoint;
}

Result<Endpoint> Endpoint::parse(std::string_view text, bool port_zero) {
  if (text.starts_with('/') || text.starts_with("./") || text.starts_with("../")) {
    if (text.size() >= sizeof(sockaddr_un::sun_path))
      return fail(Errc::invalid, "socket path is {} bytes long, {} are possible: {}", text.size(),
                  sizeof(sockaddr_un::sun_path) - 1, escape_line(text, 128));
    if (text.find('\0') != std::string_view::npos) return fail(Errc::invalid, "NUL in a socket path");
    return unix_socket(std::string(text));
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return fail(Errc::invalid, "'{}' is no listening address: expected address:port, [v6]:port, *:port or /path",
                escape_line(text, 64));
  // "2001:db8::1", "[2001:db8::1]": the last colon stands before no port.
  const bool closed = text.starts_with('[') && text.ends_with(']');
  const std::string_view bare = closed ? text.substr(1, text.size() - 2) : text;
  std::string_view host = text.substr(0, colon);
  if (bare.contains(':') && IpAddress::parse(bare) && !IpAddress::parse(host))
    return fail(Errc::invalid, "'{}' has no port: an IPv6 address with one is written [{}]:25", escape_line(text, 64),
                bare);
  const auto port = parse_unsigned(text.substr(colon + 1), 65535);
  if (!port || (*port == 0 && !port_zero))
    return fail(Errc::invalid, "bad port in '{}': 1 to 65535 is allowed", escape_line(text, 64));
  const auto number = static_cast<uint16_t>(*port);
  if (host.empty() || host == "*") return tcp(IpAddress::v4(0), number);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (bracketed && host == "*") return tcp(IpAddress::v6({}), number);
  auto address = IpAddress::parse(host);
  if (!address) return std::unexpected(address.error());
  if (!bracketed && host.find(':') != std::string_view::npos)
    return fail(Errc::invalid, "an IPv6 address needs brackets before a port: [{}]:{}", escape_line(host, 64), number);
  if (bracketed && host.find(':') == std::string_view::npos)
    return fail(Errc::invalid, "brackets are for IPv6 addresses: '{}'", escape_line(text, 64));
  return tcp(*address, number);
}

Result<Endpoint> Endpoint::from_sockaddr(const sockaddr* address, socklen_t length) {
  if (address->sa_family == AF_UNIX) {
    const auto* un = reinterpret_cast<const sockaddr_un*>(address);
    const size_t size = length > offsetof(sockaddr_un, sun_path) ? length - offsetof(sockaddr_un, sun_path) : 0;
    return unix_socket(std::string(un->sun_path, strnlen(un->sun_path, size)));
  }
  auto ip = IpAddress::from_sockaddr(address, length);
  if (!ip) return std::unexpected(ip.error());
  // sin_port and sin6_port lie at the same place.
  sockaddr_in in{};
  std::memcpy(&in, address, sizeof in);
  return tcp(*ip, ntohs(in.sin_port));
}

std::string Endpoint::to_string() const {
  switch (kind_) {
    case Kind::tcp4:
      return address_.is_any() ? fmt::format("*:{}", port_) : fmt::format("{}:{}", address_.to_string(), port_);
    case Kind::tcp6:
      return address_.is_any() ? fmt::format("[*]:{}", port_) : fmt::format("[{}]:{}", address_.to_string(), port_);
    case Kind::unix_path:
      break;
  }
  return path_;
}

int Endpoint::family() const {
  switch (kind_) {
    case Kind::tcp4:
      return AF_INET;
    case Kind::tcp6:
      return AF_INET6;
    case Kind::unix_path:
      break;
  }
  return AF_UNIX;
}

socklen_t Endpoint::to_sockaddr(sockaddr_storage& storage) const {
  storage = {};
  switch (kind_) {
    case Kind::tcp4: {
      sockaddr_in in{};
      in.sin_family = AF_INET;
      in.sin_port = htons(port_);
      std::memcpy(&in.sin_addr, address_.bytes().data(), 4);
      std::memcpy(&storage, &in, sizeof in);
      return sizeof in;
    }
    case Kind::tcp6: {
      sockaddr_in6 in{};
      in.sin6_family = AF_INET6;
      in.sin6_port = htons(port_);
      std::memcpy(&in.sin6_addr, address_.bytes().data(), 16);
      std::memcpy(&storage, &in, sizeof in);
      return sizeof in;
    }
    case Kind::unix_path:
      break;
  }
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  const size_t length = std::min(path_.size(), sizeof un.sun_path - 1);
  std::memcpy(un.sun_path, path_.data(), length);
  std::memcpy(&storage, &un, sizeof un);
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length + 1);
}

}  // namespace impulse
