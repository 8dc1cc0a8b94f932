// IP addresses, prefixes, and lists of prefixes.
#pragma once

#include "base/result.h"

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impulse {

// An IPv4 or IPv6 address. IPv4-mapped IPv6 addresses are IPv4 here, so that
// one client has one address however its connection came in.
class IpAddress {
 public:
  constexpr IpAddress() = default;  // 0.0.0.0
  static IpAddress v4(uint32_t host_order);
  static IpAddress v6(const std::array<uint8_t, 16>& bytes);

  // "192.0.2.1", or any spelling of RFC 4291 §2.2, without brackets, port or
  // zone. Dotted quads take exactly four decimal parts without leading zeros.
  static Result<IpAddress> parse(std::string_view text);
  static Result<IpAddress> from_sockaddr(const sockaddr* address, socklen_t length);

  bool is_v4() const { return v4_; }
  bool is_v6() const { return !v4_; }
  bool is_loopback() const;
  bool is_any() const;
  unsigned bits() const { return v4_ ? 32 : 128; }
  // Network byte order; an IPv4 address is in the first 4 bytes.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }

  // Canonical text: dotted quad, or RFC 5952 for IPv6 (no brackets).
  std::string to_string() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<uint8_t, 16> bytes_{};
  bool v4_ = true;
};

// A network in CIDR notation, masked: 10.1.2.3/8 is 10.0.0.0/8.
class IpPrefix {
 public:
  constexpr IpPrefix() = default;  // 0.0.0.0/0
  IpPrefix(const IpAddress& address, unsigned length);
  // "10.0.0.0/8", "2001:db8::/32", or a bare address (full length).
  static Result<IpPrefix> parse(std::string_view text);

  const IpAddress& address() const { return address_; }
  unsigned length() const { return length_; }
  bool contains(const IpAddress& address) const;
  // "10.0.0.0/8"; a single host has no "/32".
  std::string to_string() const;

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
  friend bool operator==(const IpPrefix&, const IpPrefix&) = default;

 private:
  IpAddress address_;
  unsigned length_ = 0;
};

// Which addresses a list option such as Relay_Hosts holds. Immutable once built.
class NetworkList {
 public:
  NetworkList();
  explicit NetworkList(std::vector<IpPrefix> prefixes);
  bool contains(const IpAddress& address) const;  // logarithmic in the number of prefixes per length
  const std::vector<IpPrefix>& prefixes() const { return parts_->prefixes; }  // sorted
  bool empty() const { return prefixes().empty(); }
  friend bool operator==(const NetworkList& a, const NetworkList& b) { return a.prefixes() == b.prefixes(); }

 private:
  struct Parts {
    std::vector<IpPrefix> prefixes;
    std::vector<std::pair<bool, unsigned>> lengths;  // (is_v4, length) that occur
  };
  std::shared_ptr<const Parts> parts_;
};

}  // namespace impulse

template <>
struct std::hash<impulse::IpAddress> {
  size_t operator()(const impulse::IpAddress& address) const noexcept;
};
