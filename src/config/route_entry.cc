#include "config/route_entry.h"

#include "base/text.h"
#include "config/checks.h"

namespace impulse::config {
namespace {

constexpr uint64_t longest_ttl = 2147483647;  // of a record in the DNS
constexpr std::string_view scheme_end = "://";

Result<> read_host(RouteEntry& entry, std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  bool bracketed = false;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return fail(Errc::invalid, "']' is missing");
    host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && !rest.starts_with(':')) return fail(Errc::invalid, "expected :port behind ']'");
    if (!rest.empty()) port = rest.substr(1).empty() ? "0" : rest.substr(1);
    bracketed = true;
  } else if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
    if (text.find(':', colon + 1) != std::string_view::npos)
      return fail(Errc::invalid, "an IPv6 address stands in brackets");
    host = text.substr(0, colon);
    port = text.substr(colon + 1).empty() ? "0" : text.substr(colon + 1);
  }
  if (!port.empty()) {
    const auto number = parse_unsigned(port, 65535);
    if (!number || *number == 0) return fail(Errc::invalid, "expected a port from 1 to 65535");
    entry.port = static_cast<uint16_t>(*number);
  }
  if (const auto address = IpAddress::parse(host)) {
    entry.address = *address;
    entry.host = address->to_string();
    return {};
  }
  if (bracketed || !is_domain(host)) return fail(Errc::invalid, "expected a host name or an address");
  entry.host = lower(host);
  return {};
}

Result<> read_parameter(RouteEntry& entry, std::string_view text) {
  const size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
  if (iequals(name, "pref")) {
    const auto number = parse_unsigned(value, 65535);
    if (!number) return fail(Errc::invalid, "pref is a number from 0 to 65535");
    entry.preference = static_cast<uint16_t>(*number);
  } else if (iequals(name, "ttl")) {
    const auto number = parse_unsigned(value, longest_ttl);
    if (!number || *number == 0) return fail(Errc::invalid, "ttl is a number of seconds, 1 or more");
    entry.ttl = std::chrono::seconds(*number);
  } else if (iequals(name, "port")) {
    const auto number = parse_unsigned(value, 65535);
    if (!number || *number == 0) return fail(Errc::invalid, "port is a number from 1 to 65535");
    if (entry.port != 0 && entry.port != *number) return fail(Errc::invalid, "two ports");
    entry.port = static_cast<uint16_t>(*number);
  } else if (iequals(name, "type")) {
    if (!iequals(value, "mx") && !iequals(value, "a")) return fail(Errc::invalid, "type is mx or a");
    entry.kind = iequals(value, "mx") ? RouteEntry::Kind::exchanges : RouteEntry::Kind::host;
  } else {
    return fail(Errc::invalid, "'{}' is none of pref, ttl, port and type", escape_line(name, 40));
  }
  return {};
}

Result<RouteEntry> read(std::string_view text) {
  RouteEntry entry;
  if (iequals(text, "__mx__")) {
    entry.kind = RouteEntry::Kind::domain;
    return entry;
  }
  const size_t scheme = text.find(scheme_end);
  if (scheme == std::string_view::npos) {
    if (auto host = read_host(entry, text); !host) return std::unexpected(host.error());
    return entry;
  }
  if (!iequals(text.substr(0, scheme), "smtp"))
    return fail(Errc::unavailable, "{}:// is not available in this version, smtp:// is",
                escape_line(text.substr(0, scheme), 20));
  text.remove_prefix(scheme + scheme_end.size());
  const size_t question = text.find('?');
  if (auto host = read_host(entry, text.substr(0, question)); !host) return std::unexpected(host.error());
  if (question == std::string_view::npos) return entry;
  for (const std::string_view parameter : split(text.substr(question + 1), '&'))
    if (auto one = read_parameter(entry, parameter); !one) return std::unexpected(one.error());
  if (entry.kind == RouteEntry::Kind::exchanges && entry.address)
    return fail(Errc::invalid, "an address has no mail exchanges: type=mx is for names");
  return entry;
}

}  // namespace

Result<RouteEntry> parse_route_entry(std::string_view text) {
  auto entry = read(text);
  if (!entry)
    return fail(entry.error().code, "the route '{}' is wrong: {}", escape_line(text, 120), entry.error().message);
  return entry;
}

}  // namespace impulse::config
