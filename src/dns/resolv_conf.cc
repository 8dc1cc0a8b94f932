#include "dns/resolv_conf.h"

#include "base/files.h"
#include "base/text.h"
#include "dns/message.h"

#include <algorithm>

namespace impulse::dns {
namespace {

// As the C library has them.
constexpr size_t max_servers = 8;
constexpr size_t max_search = 16;
constexpr uint64_t most_ndots = 15;
constexpr uint64_t longest_timeout = 30;
constexpr uint64_t most_attempts = 5;
constexpr size_t max_size = 64 << 10;
constexpr uint16_t dns_port = 53;

Result<Endpoint> read_server(std::string_view text) {
  std::string_view address = text;
  if (text.starts_with('[') && text.ends_with(']')) address = text.substr(1, text.size() - 2);
  address = address.substr(0, address.find('%'));  // a zone is the kernel's affair
  if (const auto bare = IpAddress::parse(address)) return Endpoint::tcp(*bare, dns_port);
  auto endpoint = Endpoint::parse(text);
  if (!endpoint || endpoint->is_unix() || endpoint->address().is_any())
    return fail(Errc::invalid, "expected an address, or address:port, got '{}'", escape_line(text, 80));
  return endpoint;
}

void read_options(ResolvConf& conf, std::span<const std::string_view> options) {
  for (const std::string_view option : options) {
    const size_t colon = option.find(':');
    const std::string_view name = option.substr(0, colon);
    if (name == "rotate") conf.rotate = true;
    if (colon == std::string_view::npos) continue;
    const auto number = parse_unsigned(option.substr(colon + 1), UINT32_MAX);
    if (!number) continue;
    if (name == "ndots") conf.ndots = static_cast<unsigned>(std::min(*number, most_ndots));
    if (name == "timeout" || name == "retrans")
      conf.timeout = std::chrono::seconds(std::clamp<uint64_t>(*number, 1, longest_timeout));
    if (name == "attempts" || name == "retry")
      conf.attempts = static_cast<unsigned>(std::clamp<uint64_t>(*number, 1, most_attempts));
  }
}

// OpenBSD's words, or the letters that Momentum has.
void read_lookup(ResolvConf& conf, std::span<const std::string_view> wanted) {
  std::string order;
  for (const std::string_view word : wanted) {
    if (word == "file")
      order += 'f';
    else if (word == "bind")
      order += 'b';
    else
      order += word;
  }
  conf.hosts = order.contains('f');
  conf.hosts_first = order.find('f') < order.find('b');
}

}  // namespace

Result<ResolvConf> parse_resolv_conf(std::string_view text) {
  ResolvConf conf;
  size_t number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    const auto parts = words(line.substr(0, line.find_first_of("#;")));
    if (parts.size() < 2) continue;
    const std::span<const std::string_view> rest = std::span(parts).subspan(1);
    if (parts[0] == "nameserver") {
      const auto server = read_server(rest[0]);
      if (!server) return fail(Errc::invalid, "line {}: {}", number, server.error().message);
      if (conf.servers.size() < max_servers) conf.servers.push_back(*server);
    } else if (parts[0] == "search" || parts[0] == "domain") {
      conf.search.clear();
      for (std::string_view domain : rest) {
        if (domain.ends_with('.')) domain.remove_suffix(1);
        if (is_host_name(domain) && conf.search.size() < max_search) conf.search.push_back(lower(domain));
      }
    } else if (parts[0] == "lookup") {
      read_lookup(conf, rest);
    } else if (parts[0] == "options") {
      read_options(conf, rest);
    }
  }
  if (conf.servers.empty()) conf.servers.push_back(Endpoint::tcp(IpAddress::v4(0x7F000001), dns_port));
  return conf;
}

Result<ResolvConf> read_resolv_conf(const std::string& path) {
  const auto text = read_file(path, max_size);
  if (!text && text.error().code == Errc::not_found && path == "/etc/resolv.conf") return parse_resolv_conf({});
  if (!text) return std::unexpected(text.error());
  auto conf = parse_resolv_conf(*text);
  if (!conf) return fail(Errc::invalid, "{}: {}", path, conf.error().message);
  return conf;
}

}  // namespace impulse::dns
