// Telling the two versions of the PROXY protocol apart and finding a header's
// end; and version 1, the line of text.
#include "net/proxy_header.h"

#include "base/text.h"

#include <algorithm>

namespace impulse::net {

namespace {

using namespace std::string_view_literals;

constexpr auto text_start = "PROXY "sv;
constexpr auto signature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr size_t fixed_part = 16;  // of a binary header: signature, command, family, length
constexpr size_t longest_line = 107;

unsigned byte_at(std::string_view bytes, size_t at) { return static_cast<unsigned char>(bytes[at]); }

// Decimal without leading zeros.
Result<uint16_t> parse_port(std::string_view text) {
  const auto value = parse_unsigned(text, UINT16_MAX);
  if (!value || (text.size() > 1 && text[0] == '0'))
    return fail(Errc::invalid, "PROXY v1: '{}' is no port", escape_line(text));
  return static_cast<uint16_t>(*value);
}

Result<IpAddress> parse_address(std::string_view text, bool v6) {
  // By its spelling: ::ffff:192.0.2.1 is of TCP6, though it becomes an IPv4 address here.
  const auto address = IpAddress::parse(text);
  if (!address || v6 != text.contains(':'))
    return fail(Errc::invalid, "PROXY v1: '{}' is no {} address", escape_line(text), v6 ? "IPv6" : "IPv4");
  return *address;
}

}  // namespace

Result<size_t> ProxyParser::feed(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size() && state_ != State::complete) {
    if (state_ == State::binary) {
      const auto more = feed_binary(bytes.substr(taken));
      if (!more) return more;
      taken += *more;
      continue;
    }
    const char byte = bytes[taken++];
    if (const auto fed = state_ == State::unknown ? feed_unknown(byte) : feed_text(byte); !fed)
      return std::unexpected(fed.error());
  }
  return taken;
}

Result<> ProxyParser::feed_unknown(char byte) {
  bytes_ += byte;
  if (text_start.starts_with(bytes_)) {
    if (bytes_.size() == text_start.size()) state_ = State::text;
  } else if (signature.starts_with(bytes_)) {
    if (bytes_.size() == signature.size()) state_ = State::binary;
  } else {
    return fail(Errc::invalid, "no PROXY header: \"{}\"", escape_line(bytes_));
  }
  return {};
}

Result<> ProxyParser::feed_text(char byte) {
  const bool behind_cr = bytes_.back() == '\r';
  bytes_ += byte;
  if (behind_cr != (byte == '\n')) return fail(Errc::invalid, "PROXY v1: CR and LF belong together");
  if (byte == '\n') {
    auto header = parse_proxy_text(bytes_);
    if (!header) return std::unexpected(header.error());
    header_ = std::move(*header);
    state_ = State::complete;
  } else if (bytes_.size() >= longest_line) {
    return fail(Errc::invalid, "PROXY v1: no end of line in the first {} bytes", longest_line);
  }
  return {};
}

Result<size_t> ProxyParser::feed_binary(std::string_view bytes) {
  const size_t wanted = (length_ == 0 ? fixed_part : length_) - bytes_.size();
  const size_t taken = std::min(wanted, bytes.size());
  bytes_ += bytes.substr(0, taken);
  if (length_ == 0 && bytes_.size() == fixed_part)
    if (const auto good = check_start(); !good) return std::unexpected(good.error());
  if (bytes_.size() != length_) return taken;
  auto header = parse_proxy_binary(bytes_);
  if (!header) return std::unexpected(header.error());
  header_ = std::move(*header);
  state_ = State::complete;
  return taken;
}

Result<> ProxyParser::check_start() {
  if (byte_at(bytes_, 12) >> 4 != 2)
    return fail(Errc::invalid, "PROXY: version {} is not known", byte_at(bytes_, 12) >> 4);
  length_ = fixed_part + (byte_at(bytes_, 14) << 8 | byte_at(bytes_, 15));
  if (length_ > limit_) return fail(Errc::invalid, "PROXY v2: a header of {} bytes (at most {})", length_, limit_);
  return {};
}

Result<ProxyHeader> parse_proxy_text(std::string_view line) {
  ProxyHeader header;
  line.remove_prefix(text_start.size());
  line.remove_suffix(2);
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return header;
  const auto parts = split(line, ' ');
  if (parts[0] != "TCP4" && parts[0] != "TCP6")
    return fail(Errc::invalid, "PROXY v1: '{}' is neither TCP4, TCP6 nor UNKNOWN", escape_line(parts[0]));
  if (parts.size() != 5) return fail(Errc::invalid, "PROXY v1: two addresses and two ports are expected");
  const bool v6 = parts[0] == "TCP6";
  const auto source = parse_address(parts[1], v6);
  if (!source) return std::unexpected(source.error());
  const auto destination = parse_address(parts[2], v6);
  if (!destination) return std::unexpected(destination.error());
  const auto source_port = parse_port(parts[3]);
  if (!source_port) return std::unexpected(source_port.error());
  const auto destination_port = parse_port(parts[4]);
  if (!destination_port) return std::unexpected(destination_port.error());
  header.local = false;
  header.source = Endpoint::tcp(*source, *source_port);
  header.destination = Endpoint::tcp(*destination, *destination_port);
  return header;
}

}  // namespace impulse::net
