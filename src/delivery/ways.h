// Ways: the hosts of a route, put in order as they are found: entries of Routes,
// and what the DNS says of those that name a domain.
#pragma once

#include "config/route_entry.h"
#include "delivery/gateway.h"
#include "dns/message.h"

#include <compare>
#include <cstddef>
#include <vector>

namespace impulse::delivery {

// More of them are not tried: those of the lowest rank stay.
constexpr size_t max_hosts = 20;

class Ways {
 public:
  // The host that the entry is, `place` in the list of entries.
  void add(const config::RouteEntry& entry, size_t place);
  // A mail exchange that was found for it; or the domain itself.
  void add(const config::RouteEntry& entry, size_t place, const dns::Exchange& exchange, Gateway::Origin origin);
  // The address that stands in an address literal.
  void add(const config::RouteEntry& entry, size_t place, const IpAddress& literal);

  bool empty() const { return found_.empty(); }
  // By rank. Entries with a preference come first, in its order, then the others
  // in the order of the list; mail exchanges by their preference in the place of
  // their entry. What is there twice counts where it comes first.
  std::vector<Gateway> gateways() &&;

 private:
  struct Place {
    size_t group = 0;  // 0: has a preference
    uint16_t preference = 0;
    uint16_t exchange = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  struct Found {
    Place place;
    Gateway gateway;
  };
  static Place place_of(const config::RouteEntry& entry, size_t place, uint16_t exchange);

  std::vector<Found> found_;
};

}  // namespace impulse::delivery
