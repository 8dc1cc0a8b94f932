// A DNS message as a resolver sends it, taken apart (RFC 1035 §4). Sans-IO, and
// suspicious: whatever arrives costs bounded time and memory, and of names only
// such come out as a mail host may have.
#pragma once

#include "base/ip.h"
#include "base/result.h"

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::dns {

enum class Type : uint16_t { a = 1, mx = 15, aaaa = 28 };

// "A", "MX", "AAAA"; and back, case ignored.
std::string_view type_name(Type type);
std::optional<Type> type_of(std::string_view name);

// A mail exchange. An empty host is the root: the null MX of RFC 7505.
struct Exchange {
  uint16_t preference = 0;
  std::string host;
  friend auto operator<=>(const Exchange&, const Exchange&) = default;
};

// More records than these are dropped: the exchanges of the lowest preference
// stay, and the first addresses.
constexpr size_t max_exchanges = 32;
constexpr size_t max_addresses = 16;

struct Message {
  enum class Kind : uint8_t {
    records,  // there are some, of the type that was asked for
    alias,    // a CNAME only: `name` is to be asked for
    no_data,  // the name has none of that type
    no_name,  // NXDOMAIN
  };
  Kind kind = Kind::no_data;
  std::string name;  // whose records they are: what was asked for, or behind its aliases
  std::vector<IpAddress> addresses;
  std::vector<Exchange> exchanges;  // by preference, then by name
  // Seconds: the least of all records that count; of what is not there by the
  // SOA (RFC 2308 §5). None: nothing says it.
  std::optional<uint32_t> ttl;
};

// The answer to the question for records of `type` of `name` (lower case, no
// dot at its end). Errc::invalid: it is no proper message; Errc::busy: the
// server could not say (SERVFAIL, REFUSED …), or a loop of aliases.
Result<Message> parse(std::span<const uint8_t> bytes, std::string_view name, Type type);

// Letters, digits, '-', '_', in labels of 1 to 63 octets, 253 altogether.
bool is_host_name(std::string_view name);

}  // namespace impulse::dns
