#include "server/proxy_gate.h"

#include "config/keys.h"
#include "server/serving.h"

#include <utility>

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Counter;
using telemetry::Level;

namespace {

// For the whole header: long enough for a retransmission, as Postfix has it.
constexpr Duration patience = std::chrono::seconds(5);

// What a header says beyond the addresses, for whoever follows a client
// through several machines. Not escaped: the log does that.
std::string details(const net::ProxyHeader& header) {
  std::string text;
  if (header.tls) {
    text += ", " + (header.tls->version.empty() ? "TLS" : header.tls->version);
    if (!header.tls->cipher.empty()) text += " " + header.tls->cipher;
    if (header.tls->certificate)
      text += fmt::format(", certificate of \"{}\" ({})", header.tls->common_name,
                          header.tls->verified ? "verified" : "not verified");
  }
  if (!header.authority.empty()) text += fmt::format(", asked for {}", header.authority);
  if (!header.unique_id.empty()) text += fmt::format(", id {}", header.unique_id);
  return text;
}

bool is_on(const config::Options& options) {
  return config::choice(key::proxy_protocol, options[key::proxy_protocol]) == "on";
}

}  // namespace

// Whether a header must come, and may, is said by the options for who really
// connects: the Peer scopes that hold the proxy.
void ProxyGate::pass(Worker& worker, Incoming incoming) {
  const config::ListenConf* conf = serving(incoming);
  if (conf == nullptr) return next_(worker, std::move(incoming));  // it says so
  const IpAddress proxy = incoming.peer.is_unix() ? IpAddress::v4(0x7F000001) : incoming.peer.address();
  const config::Options& options = conf->for_peer(proxy);
  if (!is_on(options)) return next_(worker, std::move(incoming));
  const NetworkList& trusted = options[key::proxy_trusted_hosts];
  if (!trusted.contains(proxy)) return turn_away(worker, incoming, Level::warning, "not one of Proxy_Trusted_Hosts");
  await(worker, std::move(incoming));
}

void ProxyGate::await(Worker& worker, Incoming incoming) {
  const uint64_t number = next_number_.fetch_add(1, std::memory_order_relaxed);
  UniqueFd fd = std::move(incoming.fd);
  const auto parcel = std::make_shared<Incoming>(std::move(incoming));
  auto preface =
      net::ProxyPreface::start(*worker.loop, std::move(fd), patience,
                               [this, &worker, parcel, number](Result<net::ProxyHeader> header, UniqueFd socket) {
                                 worker.prefaces.erase(number);
                                 arrived(worker, std::move(*parcel), std::move(header), std::move(socket));
                               });
  if (!preface) return turn_away(worker, *parcel, Level::error, preface.error().message);
  worker.prefaces.emplace(number, std::move(*preface));
}

void ProxyGate::arrived(Worker& worker, Incoming incoming, Result<net::ProxyHeader> header, UniqueFd fd) {
  if (!header) {
    // Whoever only looks whether the port is open says nothing.
    const bool looked = header.error().message.starts_with("closed without");
    return turn_away(worker, incoming, looked ? Level::debug : Level::warning, header.error().message);
  }
  incoming.fd = std::move(fd);
  if (!header->local) {
    auto proxied = std::make_shared<Proxied>();
    proxied->proxy = incoming.peer;
    // A client by a Unix socket is on the proxy's machine: its address is the proxy's.
    if (!header->source.is_unix()) incoming.peer = header->source;
    if (log_.wants(Level::debug, Area::net))
      log_.write(Level::debug, Area::net, "proxy-client",
                 fmt::format("{}: {} stands for {}{}", incoming.listen.to_string(), proxied->proxy.to_string(),
                             incoming.peer.to_string(), details(*header)));
    proxied->header = std::move(*header);
    incoming.proxied = std::move(proxied);
  }
  next_(worker, std::move(incoming));
}

void ProxyGate::turn_away(Worker& worker, const Incoming& incoming, Level level, std::string_view why) {
  counters_.add(Counter::connections_refused);
  counters_.add(Counter::proxy_refused);
  worker.loop->sessions.fetch_sub(1, std::memory_order_relaxed);
  if (!log_.wants(level, Area::net)) return;
  log_.write(level, Area::net, "proxy-refused",
             fmt::format("{} from {}: {}", incoming.listen.to_string(), incoming.peer.to_string(), why));
}

void ProxyGate::close_all(Worker& worker) {
  worker.loop->sessions.fetch_sub(static_cast<uint32_t>(worker.prefaces.size()), std::memory_order_relaxed);
  worker.prefaces.clear();
}

}  // namespace impulse::server
