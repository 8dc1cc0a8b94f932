#include "console/address.h"

#include "base/text.h"

#include <sys/un.h>

namespace impulse::console {

std::string Address::to_string() const {
  if (!path.empty()) return path;
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

Result<Address> parse_address(std::string_view text) {
  Address address;
  if (istarts_with(text, "ssh://"))
    return fail(
        Errc::invalid,
        "ssh:// is not available: forward a port or a socket with ssh -L, and name that, or run ssh HOST ec_console");
  const size_t slash = text.find('/');
  const size_t at = text.substr(0, slash).rfind('@');
  if (at != std::string_view::npos) {
    address.user = text.substr(0, at);
    if (address.user.empty()) return fail(Errc::invalid, "no user in front of the '@' in '{}'", escape_line(text, 128));
    text.remove_prefix(at + 1);
  }
  const size_t colon = text.rfind(':');
  if (text.empty()) return fail(Errc::invalid, "an endpoint is expected: a socket's path, host:port or [v6]:port");
  if (text.find('/') != std::string_view::npos || colon == std::string_view::npos) {
    if (text.size() >= sizeof(sockaddr_un::sun_path))
      return fail(Errc::invalid, "the path is {} bytes long; a socket's has at most {}", text.size(),
                  sizeof(sockaddr_un::sun_path) - 1);
    address.path = text;
    return address;
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const auto number = parse_unsigned(port, 65535);
  if (!number || *number == 0)
    return fail(Errc::invalid, "bad port in '{}': 1 to 65535 is expected", escape_line(text, 128));
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    return fail(Errc::invalid, "an IPv6 address needs brackets in front of a port: [{}]:{}", escape_line(host, 64),
                port);
  if (host.empty()) return fail(Errc::invalid, "no host in '{}'", escape_line(text, 128));
  address.host = host;
  address.port = port;
  return address;
}

}  // namespace impulse::console
