#include "base/ip.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <functional>

namespace impulse {

namespace {

void mask(std::array<uint8_t, 16>& bytes, unsigned bits) {
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned keep = bits > i * 8 ? std::min(8U, bits - i * 8) : 0;
    bytes[i] = static_cast<uint8_t>(bytes[i] & (0xFF00U >> keep));
  }
}

}  // namespace

IpAddress IpAddress::v4(uint32_t host_order) {
  IpAddress address;
  for (unsigned i = 0; i < 4; ++i) address.bytes_[i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  return address;
}

IpAddress IpAddress::v6(const std::array<uint8_t, 16>& bytes) {
  IpAddress address;
  static constexpr uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (std::equal(mapped, mapped + 12, bytes.begin())) {
    std::copy(bytes.begin() + 12, bytes.end(), address.bytes_.begin());
  } else {
    address.bytes_ = bytes;
    address.v4_ = false;
  }
  return address;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string copy(text);
  if (copy.find('\0') == std::string::npos && copy.size() < INET6_ADDRSTRLEN) {
    in_addr four{};
    if (inet_pton(AF_INET, copy.c_str(), &four) == 1) return v4(ntohl(four.s_addr));
    std::array<uint8_t, 16> six{};
    if (inet_pton(AF_INET6, copy.c_str(), six.data()) == 1) return v6(six);
  }
  return fail(Errc::invalid, "not an IP address: '{}'", escape_line(text, 64));
}

Result<IpAddress> IpAddress::from_sockaddr(const sockaddr* address, socklen_t length) {
  if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    return v4(ntohl(in.sin_addr.s_addr));
  }
  if (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    std::array<uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, 16);
    return v6(bytes);
  }
  return fail(Errc::invalid, "not an IP socket address (family {})", address->sa_family);
}

bool IpAddress::is_loopback() const {
  if (v4_) return bytes_[0] == 127;
  static constexpr std::array<uint8_t, 16> one{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return bytes_ == one;
}

bool IpAddress::is_any() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](uint8_t b) { return b == 0; });
}

std::string IpAddress::to_string() const {
  char buffer[INET6_ADDRSTRLEN];
  return inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), buffer, sizeof buffer);
}

IpPrefix::IpPrefix(const IpAddress& address, unsigned length)
    : address_(address), length_(std::min(length, address.bits())) {
  auto bytes = address.bytes();
  mask(bytes, length_);
  if (address.is_v4())
    address_ = IpAddress::v4(static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
                             static_cast<uint32_t>(bytes[2]) << 8 | bytes[3]);
  else
    address_ = IpAddress::v6(bytes);
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::unexpected(address.error());
  if (slash == std::string_view::npos) return IpPrefix(*address, address->bits());
  const auto length = parse_unsigned(text.substr(slash + 1), address->bits());
  if (!length)
    return fail(Errc::invalid, "bad prefix length in '{}': 0 to {} is allowed", escape_line(text, 64), address->bits());
  return IpPrefix(*address, static_cast<unsigned>(*length));
}

bool IpPrefix::contains(const IpAddress& address) const {
  return address.is_v4() == address_.is_v4() && IpPrefix(address, length_).address_ == address_;
}

std::string IpPrefix::to_string() const {
  if (length_ == address_.bits()) return address_.to_string();
  return fmt::format("{}/{}", address_.to_string(), length_);
}

NetworkList::NetworkList() {
  static const auto none = std::make_shared<const Parts>();
  parts_ = none;
}

NetworkList::NetworkList(std::vector<IpPrefix> prefixes) {
  auto parts = std::make_shared<Parts>();
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  auto& lengths = parts->lengths;
  for (const IpPrefix& prefix : prefixes) lengths.emplace_back(prefix.address().is_v4(), prefix.length());
  std::sort(lengths.begin(), lengths.end());
  lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  parts->prefixes = std::move(prefixes);
  parts_ = std::move(parts);
}

bool NetworkList::contains(const IpAddress& address) const {
  const auto& [prefixes, lengths] = *parts_;
  return std::any_of(lengths.begin(), lengths.end(), [&, &all = prefixes](const auto& kind) {
    return kind.first == address.is_v4() && std::binary_search(all.begin(), all.end(), IpPrefix(address, kind.second));
  });
}

}  // namespace impulse

size_t std::hash<impulse::IpAddress>::operator()(const impulse::IpAddress& address) const noexcept {
  return std::hash<std::string_view>()(
      std::string_view(reinterpret_cast<const char*>(address.bytes().data()), address.is_v4() ? 4 : 16));
}
