// From the hosts of a route to the addresses that are tried: rank by rank, as
// better hosts come first and mostly answer. Hosts of one rank take turns. What
// must not be connected to is left out here, and so is everything from the rank
// on in which this server itself stands (RFC 5321 §5.1).
#include "base/fd.h"
#include "delivery/hop_impl.h"

#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace impulse::delivery {
namespace {

namespace key = config::key;
using dns::Answer;
using Origin = Gateway::Origin;

// A socket's own address on the way to one of this machine's is that one.
bool is_local(const IpAddress& address) {
  if (address.is_loopback()) return true;
  sockaddr_storage storage{};
  socklen_t length = Endpoint::tcp(address, 1).to_sockaddr(storage);
  const UniqueFd fd(::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  auto* const raw = reinterpret_cast<sockaddr*>(&storage);
  if (fd.get() < 0 || ::connect(fd.get(), raw, length) != 0) return false;
  length = sizeof storage;
  if (::getsockname(fd.get(), raw, &length) != 0) return false;
  const auto own = IpAddress::from_sockaddr(raw, length);
  return own && *own == address;
}

// We would be talking to one of our own listeners.
bool is_ours(const config::Snapshot& snapshot, const Endpoint& target) {
  return std::ranges::any_of(snapshot.listens(), [&](const auto& listen) {
    const Endpoint& endpoint = listen->endpoint();
    if (listen->listener() != config::ScopeKind::esmtp_listener || !listen->enabled() || endpoint.is_unix())
      return false;
    if (endpoint.port() != target.port() || endpoint.family() != target.family()) return false;
    return endpoint.address() == target.address() || (endpoint.address().is_any() && is_local(target.address()));
  });
}

// No host has such an address, whatever the DNS says: the unspecified ones,
// multicast and broadcast.
bool is_no_host(const IpAddress& address) {
  const auto& bytes = address.bytes();
  return address.is_v4() ? bytes[0] == 0 || bytes[0] >= 224 : address.is_any() || bytes[0] == 0xFF;
}

smtp::Reply not_found(const Gateway& gateway, const Answer& answer) {
  if (answer.status == Answer::Status::failed) return {450, "4.4.3 " + answer.problem};
  // Who wrote a wrong name into the configuration will mend it.
  if (gateway.origin == Origin::configured) return {450, "4.4.3 " + answer.problem};
  if (gateway.origin == Origin::domain)
    return {550, fmt::format("5.1.2 {}: the domain has neither MX records nor an address", gateway.host)};
  return {550, fmt::format("5.4.4 MX {}", answer.problem)};
}

}  // namespace

void Hop::resolve(const std::shared_ptr<Opening>& opening) {
  const auto& gateways = opening->route->gateways;
  if (opening->gateway >= gateways.size()) {
    if (!opening->silent.empty() && opening->tries < max_tries && !office_.stopping) {
      opening->last_resort = true;
      std::ranges::move(std::exchange(opening->silent, {}), std::back_inserter(opening->targets));
      return try_next(opening);
    }
    return opening->needs_protection ? protected_failed(opening) : opening_failed(opening);
  }
  const size_t first = opening->gateway;
  while (opening->gateway < gateways.size() && gateways[opening->gateway].rank == gateways[first].rank)
    ++opening->gateway;
  opening->answers.assign(opening->gateway - first, nullptr);
  opening->missing = 1;  // until all are asked
  dns::HostWish wish;
  wish.ipv6 = office_.parts.snapshot()->global()[key::use_ipv6];
  for (size_t i = first; i < opening->gateway; ++i) {
    const Gateway& gateway = gateways[i];
    if (gateway.address || !gateway.path.empty()) continue;
    ++opening->missing;
    wish.search = gateway.origin == Origin::configured;
    wish.max_age = gateway.max_age;
    office_.resolver.host(gateway.host, wish,
                          [this, weak = std::weak_ptr(alive_), opening, first, i](dns::AnswerPtr answer) {
                            if (weak.expired()) return;
                            opening->answers[i - first] = std::move(answer);
                            if (--opening->missing == 0) resolved(opening, first);
                          });
  }
  if (--opening->missing == 0) resolved(opening, first);
}

void Hop::resolved(const std::shared_ptr<Opening>& opening, size_t first) {
  const auto snapshot = office_.parts.snapshot();
  std::vector<size_t> order;
  for (size_t i = first; i < opening->gateway; ++i) order.push_back(i);
  std::ranges::shuffle(order, shuffler_);
  for (const size_t i : order) {
    const Gateway& gateway = opening->route->gateways[i];
    if (!gateway.path.empty()) {
      opening->targets.push_back({Endpoint::unix_socket(gateway.path), gateway.host, gateway.login});
      continue;
    }
    const dns::AnswerPtr& answer = opening->answers[i - first];
    if (answer && answer->status != Answer::Status::found) {
      cannot(*opening, gateway.host, not_found(gateway, *answer));
      continue;
    }
    const std::vector<IpAddress> addresses = answer ? answer->addresses : std::vector{*gateway.address};
    if (!add_targets(*opening, *snapshot, gateway, addresses)) break;
  }
  try_next(opening);
}

// False: it is this server; then there is nothing to try from here on.
bool Hop::add_targets(Opening& opening, const config::Snapshot& snapshot, const Gateway& gateway,
                      const std::vector<IpAddress>& addresses) {
  const size_t before = opening.targets.size();
  const auto& source = opening.route->source;
  bool unfit = false;
  const auto add = [&](const Endpoint& endpoint) {
    if (source && source->is_v4() != endpoint.address().is_v4())
      unfit = true;
    else
      opening.targets.push_back({endpoint, gateway.host, gateway.login});
  };
  for (const IpAddress& address : addresses) {
    const Endpoint endpoint = Endpoint::tcp(address, gateway.port);
    if (snapshot.global()[key::prohibited_hosts].contains(address)) {
      const int code = gateway.origin == Origin::configured ? 450 : 550;
      cannot(opening, endpoint.to_string(),
             {code,
              fmt::format("{}.4.4 {}: {} is one of Prohibited_Hosts", code / 100, gateway.host, address.to_string())});
    } else if (gateway.origin == Origin::configured) {
      add(endpoint);
    } else if (is_no_host(address)) {
      cannot(opening, gateway.host,
             {550, fmt::format("5.4.4 {}: {} is no host's address", gateway.host, address.to_string())});
    } else if (address.is_v6() && !snapshot.global()[key::use_ipv6]) {
      cannot(opening, endpoint.to_string(),
             {450, fmt::format("4.4.4 {}: IPv6 is not used here (Use_IPv6)", gateway.host)});
    } else if (is_ours(snapshot, endpoint)) {
      // Equal ones are dropped, too: those of this rank that were not tried yet.
      opening.targets.resize(opening.next);
      opening.gateway = opening.route->gateways.size();
      cannot(opening, endpoint.to_string(),
             {550, fmt::format("5.4.6 mail loops back to myself: {} is {}", gateway.host, endpoint.to_string())});
      return false;
    } else {
      add(endpoint);
    }
  }
  if (unfit && opening.targets.size() == before)
    cannot(opening, gateway.host,
           {450, fmt::format("4.4.4 {}: no {} address, as Bind_Address is one", gateway.host,
                             source->is_v4() ? "IPv4" : "IPv6")});
  // However many a hostile domain has.
  if (gateway.origin != Origin::configured)
    opening.targets.resize(std::min(opening.targets.size(), before + max_tries));
  return true;
}

void Hop::cannot(Opening& opening, const std::string& peer, smtp::Reply why) {
  opening.last_error = fmt::format("{} {}", why.code, why.text);
  opening.last_status = status_of(why);
  opening.last_peer = peer;
  opening.last = {};
  object(opening, std::move(why));
}

void Hop::try_next(const std::shared_ptr<Opening>& opening) {
  if (office_.stopping || opening->tries >= max_tries) {
    opening->gateway = opening->route->gateways.size();
    return resolve(opening);
  }
  const auto& targets = opening->targets;
  const SteadyTime now = steady_now();
  while (!opening->last_resort && opening->next < targets.size() &&
         office_.silent.contains(targets[opening->next].endpoint, now))
    opening->silent.push_back(targets[opening->next++]);
  if (opening->next >= targets.size()) return resolve(opening);
  ++opening->tries;
  const Target target = targets[opening->next++];
  const bool plain = may_go_plain(*opening->route, target) && !opening->needs_protection;
  connect(opening, target, plain ? office_.plain.because(opening->route->how, target.endpoint, now) : std::string());
}

}  // namespace impulse::delivery
