// Version 2 of the PROXY protocol: addresses, and the type-length-value
// vectors behind them.
#include "base/crc32c.h"
#include "base/text.h"
#include "net/proxy_header.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace impulse::net {

namespace {

constexpr size_t fixed_part = 16;
constexpr size_t unix_name = 108;  // bytes each
constexpr size_t longest_text = 255;
constexpr size_t longest_id = 128;

enum class Command : uint8_t { local = 0, proxy = 1 };
enum class Family : uint8_t { unspecified = 0, inet = 1, inet6 = 2, unix_path = 3 };
enum class Transport : uint8_t { unspecified = 0, stream = 1, datagram = 2 };

enum Type : uint8_t {
  alpn = 0x01,
  authority = 0x02,
  checksum = 0x03,
  unique_id = 0x05,
  ssl = 0x20,
  ssl_version = 0x21,
  ssl_common_name = 0x22,
  ssl_cipher = 0x23,
  network_namespace = 0x30,
};

enum ClientBit : uint8_t { over_tls = 0x01, certificate_now = 0x02, certificate_in_session = 0x04 };

uint8_t byte_at(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }
uint16_t read16(std::string_view bytes) { return static_cast<uint16_t>(byte_at(bytes, 0) << 8 | byte_at(bytes, 1)); }
uint32_t read32(std::string_view bytes) { return uint32_t{read16(bytes)} << 16 | read16(bytes.substr(2)); }

struct Vector {
  uint8_t type = 0;
  std::string_view value;  // points into the header
};

// Takes the next vector off the front of `rest`.
Result<Vector> next_vector(std::string_view& rest) {
  if (rest.size() < 3) return fail(Errc::invalid, "PROXY v2: a vector is cut off");
  const size_t length = read16(rest.substr(1));
  if (rest.size() - 3 < length) return fail(Errc::invalid, "PROXY v2: a vector is longer than the header");
  const Vector found{byte_at(rest, 0), rest.substr(3, length)};
  rest.remove_prefix(3 + length);
  return found;
}

// Texts go into logs, trace fields and comparisons of names: neither a NUL nor
// a line end may hide in them.
Result<std::string> text_of(std::string_view value, std::string_view what) {
  const bool strange = std::any_of(value.begin(), value.end(), [](char c) {
    const auto code = static_cast<unsigned char>(c);
    return code < 0x20 || code == 0x7F;
  });
  if (strange || value.size() > longest_text || !is_utf8(value))
    return fail(Errc::invalid, "PROXY v2: the {} is no text: \"{}\"", what, escape_line(value, 80));
  return std::string(value);
}

Result<> assign_text(std::string& to, std::string_view value, std::string_view what) {
  auto text = text_of(value, what);
  if (!text) return std::unexpected(text.error());
  to = std::move(*text);
  return {};
}

Result<ProxyTls> read_tls(std::string_view value) {
  if (value.size() < 5) return fail(Errc::invalid, "PROXY v2: the description of TLS is cut off");
  ProxyTls tls;
  const uint8_t client = byte_at(value, 0);
  tls.certificate = (client & over_tls) != 0 && (client & (certificate_now | certificate_in_session)) != 0;
  tls.verified = tls.certificate && read32(value.substr(1)) == 0;
  std::string_view rest = value.substr(5);
  while (!rest.empty()) {
    const auto vector = next_vector(rest);
    if (!vector) return std::unexpected(vector.error());
    Result<> good;
    if (vector->type == ssl_version) good = assign_text(tls.version, vector->value, "version of TLS");
    if (vector->type == ssl_cipher) good = assign_text(tls.cipher, vector->value, "cipher");
    if (vector->type == ssl_common_name) {
      // Two would let a proxy's idea of the client and ours differ.
      if (!tls.common_name.empty()) return fail(Errc::invalid, "PROXY v2: two common names");
      good = assign_text(tls.common_name, vector->value, "common name");
    }
    if (!good) return std::unexpected(good.error());
  }
  return tls;
}

// The sum covers the header with zeros where it stands itself.
Result<> check_sum(std::string_view header, std::string_view value) {
  if (value.size() != 4) return fail(Errc::invalid, "PROXY v2: a checksum of {} bytes", value.size());
  const auto at = static_cast<size_t>(value.data() - header.data());
  uint32_t sum = crc32c(0, header.substr(0, at));
  sum = crc32c(sum, std::string_view("\0\0\0\0", 4));
  sum = crc32c(sum, header.substr(at + 4));
  if (sum != read32(value)) return fail(Errc::invalid, "PROXY v2: the checksum does not match");
  return {};
}

Result<> read_vectors(std::string_view header, size_t start, ProxyHeader& into) {
  std::string_view rest = header.substr(start);
  bool summed = false;
  while (!rest.empty()) {
    const auto vector = next_vector(rest);
    if (!vector) return std::unexpected(vector.error());
    Result<> good;
    switch (vector->type) {
      case alpn:
        into.alpn = vector->value;
        break;
      case authority:
        good = assign_text(into.authority, vector->value, "name asked for");
        break;
      case checksum:
        if (std::exchange(summed, true)) return fail(Errc::invalid, "PROXY v2: two checksums");
        good = check_sum(header, vector->value);
        break;
      case unique_id:
        if (vector->value.size() > longest_id)
          return fail(Errc::invalid, "PROXY v2: a unique id of {} bytes (at most {})", vector->value.size(),
                      longest_id);
        into.unique_id = vector->value;
        break;
      case ssl: {
        if (into.tls) return fail(Errc::invalid, "PROXY v2: TLS is described twice");
        auto tls = read_tls(vector->value);
        if (!tls) return std::unexpected(tls.error());
        // Without the bit the client came in the clear, whatever else is said.
        if ((byte_at(vector->value, 0) & over_tls) != 0) into.tls = std::move(*tls);
        break;
      }
      case network_namespace:
        good = assign_text(into.network_namespace, vector->value, "namespace");
        break;
      default:  // padding (0x04), and what we do not know
        break;
    }
    if (!good) return good;
  }
  return {};
}

IpAddress read_v4(std::string_view bytes) { return IpAddress::v4(read32(bytes)); }

IpAddress read_v6(std::string_view bytes) {
  std::array<uint8_t, 16> raw{};
  std::memcpy(raw.data(), bytes.data(), raw.size());
  return IpAddress::v6(raw);
}

// An abstract name begins with a NUL and may hold more; we keep it to the last
// byte that is none. Others end at the first one.
Endpoint read_unix(std::string_view bytes) {
  if (bytes[0] != '\0') return Endpoint::unix_socket(std::string(bytes.substr(0, bytes.find('\0'))));
  const size_t last = bytes.find_last_not_of('\0');
  return Endpoint::unix_socket(last == std::string_view::npos ? std::string() : std::string(bytes.substr(0, last + 1)));
}

// Returns the length of the addresses.
size_t read_addresses(std::string_view block, Family family, ProxyHeader& into) {
  if (family == Family::inet) {
    into.source = Endpoint::tcp(read_v4(block), read16(block.substr(8)));
    into.destination = Endpoint::tcp(read_v4(block.substr(4)), read16(block.substr(10)));
    return 12;
  }
  if (family == Family::inet6) {
    into.source = Endpoint::tcp(read_v6(block), read16(block.substr(32)));
    into.destination = Endpoint::tcp(read_v6(block.substr(16)), read16(block.substr(34)));
    return 36;
  }
  into.source = read_unix(block.substr(0, unix_name));
  into.destination = read_unix(block.substr(unix_name, unix_name));
  return 2 * unix_name;
}

}  // namespace

Result<ProxyHeader> parse_proxy_binary(std::string_view bytes) {
  ProxyHeader header;
  header.version = 2;
  const uint8_t command = byte_at(bytes, 12) & 0x0F;
  if (command > static_cast<uint8_t>(Command::proxy))
    return fail(Errc::invalid, "PROXY v2: command {} is not known", command);
  // LOCAL: the rest is not for us, whatever it is.
  if (command == static_cast<uint8_t>(Command::local)) return header;
  const auto family = static_cast<Family>(byte_at(bytes, 13) >> 4);
  const auto transport = static_cast<Transport>(byte_at(bytes, 13) & 0x0F);
  if (family > Family::unix_path || transport > Transport::datagram)
    return fail(Errc::invalid, "PROXY v2: address family and transport 0x{:02x} are not known", byte_at(bytes, 13));
  if (family == Family::unspecified || transport == Transport::unspecified) return header;
  if (transport == Transport::datagram) return fail(Errc::invalid, "PROXY v2: a client by datagrams");
  const std::string_view block = bytes.substr(fixed_part);
  const size_t needed = family == Family::inet ? 12 : family == Family::inet6 ? 36 : 2 * unix_name;
  if (block.size() < needed)
    return fail(Errc::invalid, "PROXY v2: {} bytes of addresses ({} expected)", block.size(), needed);
  header.local = false;
  const size_t used = read_addresses(block, family, header);
  if (const auto good = read_vectors(bytes, fixed_part + used, header); !good) return std::unexpected(good.error());
  return header;
}

}  // namespace impulse::net
