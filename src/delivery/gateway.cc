#include "delivery/gateway.h"

#include "base/text.h"

#include <sys/un.h>

#include <algorithm>

namespace impulse::delivery {

namespace {

constexpr size_t longest_socket_path = sizeof(sockaddr_un::sun_path) - 1;

// An IPv6 address without brackets is taken as one without a port. Where its
// end may be meant as one, or has to be, nobody can tell what the mail would
// connect to: "2001:db8::1:25" is an address, and "2001:db8::1" with a port.
Result<> check_brackets(std::string_view text) {
  const size_t colon = text.rfind(':');
  const std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const auto number = parse_unsigned(port, 65535);
  if (!number || *number == 0 || !IpAddress::parse(host)) return {};
  if (!IpAddress::parse(text))
    return fail(Errc::invalid, "Gateway '{}': an IPv6 address needs brackets before a port: [{}]:{}",
                escape_line(text, 80), host, port);
  return fail(Errc::invalid,
              "Gateway '{}': an address, or one with a port? Write [{}] for the address, [{}]:{} for the port",
              escape_line(text, 80), text, host, port);
}

}  // namespace

Result<Gateway> parse_gateway(std::string_view text, uint16_t default_port) {
  Gateway gateway;
  gateway.port = default_port;
  if (text.starts_with('/')) {
    if (text.size() > longest_socket_path)
      return fail(Errc::invalid, "Gateway '{}': the path of a socket has at most {} bytes", escape_line(text, 80),
                  longest_socket_path);
    gateway.host = gateway.path = text;
    return gateway;
  }
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos)
      return fail(Errc::invalid, "Gateway '{}': ']' is missing", escape_line(text, 80));
    host = text.substr(1, end - 1);
    if (istarts_with(host, "IPv6:")) host.remove_prefix(5);
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && !rest.starts_with(':')) {
      return fail(Errc::invalid, "Gateway '{}': expected :port behind ']'", escape_line(text, 80));
    }
    if (!rest.empty()) port = rest.substr(1).empty() ? std::string_view("0") : rest.substr(1);
    if (!IpAddress::parse(host)) {
      return fail(Errc::invalid, "Gateway '{}': expected an address in brackets", escape_line(text, 80));
    }
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    const size_t colon = text.find(':');
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) port = "0";
  } else if (auto clear = check_brackets(text); text.contains(':') && !clear) {
    return std::unexpected(std::move(clear.error()));
  }
  if (!port.empty()) {
    const auto number = parse_unsigned(port, 65535);
    if (!number || *number == 0) {
      return fail(Errc::invalid, "Gateway '{}': expected a port from 1 to 65535", escape_line(text, 80));
    }
    gateway.port = static_cast<uint16_t>(*number);
  }
  if (const auto address = IpAddress::parse(host)) {
    gateway.address = *address;
    gateway.host = address->to_string();
    return gateway;
  }
  const auto legal = [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; };
  if (host.empty() || host.size() > 255 || !std::all_of(host.begin(), host.end(), legal)) {
    return fail(Errc::invalid, "Gateway '{}': expected a host name or an address", escape_line(text, 80));
  }
  gateway.host = lower(host);
  return gateway;
}

}  // namespace impulse::delivery
