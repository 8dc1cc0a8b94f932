// Gateway: one next host or Unix socket, and who says that mail goes there.
#pragma once

#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::delivery {

struct Gateway {
  enum class Origin : uint8_t {
    configured,  // the administrator: what is wrong with it is wrong here
    exchange,    // an MX record
    domain,      // the domain itself, which has no MX record, or is an address literal
  };
  std::string host;                  // a name, the address as text, or the path
  std::optional<IpAddress> address;  // set: nothing to resolve
  uint16_t port = 25;
  uint16_t rank = 0;  // the lowest is tried first, equal ones in any order
  Origin origin = Origin::configured;
  Duration max_age{0};  // above 0: its addresses are good for so long, whatever the DNS says
  std::string path;     // of a Unix socket: neither address nor port count
  // Who may be given Outbound_SMTP_AUTH_Pass. What the DNS says of a recipient's domain is what its owner likes.
  enum class Login : uint8_t {
    given,     // the administrator named the host
    verified,  // the DNS named it, for a domain that the administrator named: once its certificate is verified
    withheld,  // the DNS named it, for a recipient's domain, or the recipient's address did
  };
  Login login = Login::given;
};

// "host", "host:port", "192.0.2.1", "192.0.2.1:port", "2001:db8::1",
// "[2001:db8::1]", "[2001:db8::1]:port", "/path/of/a/socket". An IPv6 address without brackets whose
// last group may be a port ("2001:db8::1:25") is an error that says how to
// write either.
Result<Gateway> parse_gateway(std::string_view text, uint16_t default_port);

}  // namespace impulse::delivery
