// Route: all that the configuration says about delivery to a domain, read
// once. Made from a scope's effective options, kept with them, immutable; any
// thread.
#pragma once

#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"
#include "config/children.h"
#include "config/route_entry.h"
#include "config/snapshot.h"
#include "delivery/gateway.h"
#include "delivery/maildir_path.h"
#include "net/tls.h"
#include "queue/name.h"
#include "smtp/client_session.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::delivery {

struct Route {
  enum class Method : uint8_t { none, smtp, maildir, blackhole };
  enum class Original : uint8_t { headers, full, no };

  Method method = Method::none;
  std::string problem;             // none: why nothing can be delivered; one line
  std::vector<std::string> notes;  // smtp: what could not be used, for the log
  bool suspended = false;

  // smtp
  bool lmtp = false;                     // and not ESMTP
  bool ecstream = false;                 // neither
  std::vector<Gateway> gateways;         // by rank; empty: `ways` have to be looked up (router.h)
  std::vector<config::RouteEntry> ways;  // then: where the hosts come from, with their ports
  std::shared_ptr<const Route> made_of;  // the one with `ways`, once they are looked up
  std::string how;                       // equal: connections are made in the same way
  std::string hop;                       // equal: … to the same hosts, and may be shared
  smtp::TlsUse tls = smtp::TlsUse::if_available;
  bool tls_verify_name = false;
  net::TlsContextPtr tls_context;  // null with TlsUse::no
  std::optional<IpAddress> source;
  std::string ehlo_name;
  std::optional<smtp::ClientLogin> login;
  smtp::XclientUse xclient = smtp::XclientUse::no;
  smtp::ClientTimeouts timeouts;
  Duration connect_timeout{0};
  Duration idle_timeout{0};
  size_t max_connections = 20;
  size_t binding_max_connections = 20000;
  uint64_t max_deliveries = 0;  // a connection; 0: no limit
  size_t batch = 100;           // recipients a transaction

  // Of the tenant's mail together that falls back on the same scope (throttles.h); 0: no limit.
  config::Rate message_rate, connection_rate;

  // maildir
  MaildirPath maildir;

  // What becomes of failures.
  Duration expiration{0};
  Duration retry_interval{0};
  Duration max_retry_interval{0};
  uint32_t max_retries = 0;  // 0: until it expires
  bool never_retry = false;
  bool bounces = true;         // reports of any kind are made
  bool delay_reports = false;  // of delays too, where the client did not say what it wants
  Duration delay_interval{0};  // between two of them
  Original original = Original::headers;
  std::string mailer_daemon;  // address
  std::string hostname;

  // Makes `hop` of the hosts and `how`.
  void name_hop();

  // For the logs.
  std::string_view protocol(bool with_tls = false) const {
    if (ecstream) return with_tls ? "ECSTREAMS" : "ECSTREAM";
    return lmtp ? (with_tls ? "LMTPS" : "LMTP") : with_tls ? "ESMTPS" : "ESMTP";
  }

  // To the same place in the same way.
  bool leads_as(const Route& other) const {
    return method == other.method && hop == other.hop && maildir == other.maildir;
  }
};
using RoutePtr = std::shared_ptr<const Route>;

// The route to a domain through a Binding under a snapshot. Made at the first call, then
// one look-up. What was assigned to a Binding that there is no more goes by Default_Binding.
RoutePtr route_to(const config::Snapshot& snapshot, std::string_view domain,
                  std::string_view binding = queue::default_binding);
// By a queue's name.
inline RoutePtr route_of_queue(const config::Snapshot& snapshot, std::string_view queue) {
  return route_to(snapshot, queue::domain_of(queue), queue::binding_of(queue));
}

// Mistakes of delivery options that only show together, or outside the
// configuration: no Maildir_Path, an unknown placeholder, an unreadable TLS_CA.
// For a commit's check phase. `diagnostics` gets one for each scope. One
// thread.
class RouteCheck {
 public:
  // Looks at what differs from the last configuration that was found well, and
  // at what may fall back on that.
  void check(const config::Snapshot& snapshot, config::Diagnostics& diagnostics);

 private:
  // All that routes are made of; it does not keep the rest of a tree alive.
  struct Ground {
    std::vector<std::shared_ptr<const config::Setting>> global;
    config::ChildMap certificates, groups, bindings, domains;
  };
  struct Difference;
  static Difference difference(const Ground& before, const Ground& now);

  std::optional<Ground> well_;
};

}  // namespace impulse::delivery
