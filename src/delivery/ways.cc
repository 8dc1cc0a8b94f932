#include "delivery/ways.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace impulse::delivery {

Ways::Place Ways::place_of(const config::RouteEntry& entry, size_t place, uint16_t exchange) {
  if (entry.preference) return {0, *entry.preference, exchange};
  return {place + 1, 0, exchange};
}

void Ways::add(const config::RouteEntry& entry, size_t place) {
  found_.push_back(
      {place_of(entry, place, 0),
       {entry.host, entry.address, entry.port, 0, Gateway::Origin::configured, entry.ttl.value_or(Duration{0}), {}}});
}

void Ways::add(const config::RouteEntry& entry, size_t place, const dns::Exchange& exchange, Gateway::Origin origin) {
  const bool asked_for = entry.kind == config::RouteEntry::Kind::exchanges;
  found_.push_back({place_of(entry, place, exchange.preference),
                    {exchange.host,
                     std::nullopt,
                     entry.port,
                     0,
                     origin,
                     entry.ttl.value_or(Duration{0}),
                     {},
                     asked_for ? Gateway::Login::verified : Gateway::Login::withheld}});
}

void Ways::add(const config::RouteEntry& entry, size_t place, const IpAddress& literal) {
  found_.push_back(
      {place_of(entry, place, 0),
       {literal.to_string(), literal, entry.port, 0, Gateway::Origin::domain, {}, {}, Gateway::Login::withheld}});
}

std::vector<Gateway> Ways::gateways() && {
  // Equal ones by name, so that domains with the same hosts have the same route.
  std::ranges::sort(found_, {},
                    [](const Found& each) { return std::tie(each.place, each.gateway.host, each.gateway.port); });
  std::vector<Gateway> all;
  const Place* last = nullptr;
  uint16_t rank = 0;
  for (Found& each : found_) {
    if (all.size() == max_hosts) break;
    if (std::ranges::any_of(all, [&](const Gateway& before) {
          return before.host == each.gateway.host && before.port == each.gateway.port;
        }))
      continue;
    if (last != nullptr && *last != each.place) ++rank;
    last = &each.place;
    each.gateway.rank = rank;
    all.push_back(std::move(each.gateway));
  }
  return all;
}

}  // namespace impulse::delivery
