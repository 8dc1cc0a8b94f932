// An entry of Routes: where mail of a domain may go.
#pragma once

#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::config {

struct RouteEntry {
  enum class Kind : uint8_t {
    host,       // `host` itself
    exchanges,  // type=mx: the mail exchanges of `host`
    domain,     // "__mx__": those of the domain that the mail is for
  };
  Kind kind = Kind::host;
  std::string host;                    // lower case; an address as its canonical text
  std::optional<IpAddress> address;    // the host is one
  uint16_t port = 0;                   // 0: Remote_SMTP_Port
  std::optional<uint16_t> preference;  // entries with one go first, the lowest before all
  std::optional<Duration> ttl;         // for how long what was looked up is used, whatever the DNS says
};

// "host", "192.0.2.1", "[2001:db8::1]", each with ":port" too; "__mx__";
// "smtp://HOST?pref=P&ttl=T&port=O&type=mx|a" with any of these, and HOST as
// above. The error says what is wrong with which entry.
Result<RouteEntry> parse_route_entry(std::string_view text);

}  // namespace impulse::config
