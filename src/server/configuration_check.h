// ConfigurationCheck: what the daemon as a whole has to say about a
// configuration before it is used, apart from TLS (tls_store.h): routes that
// cannot work, files that cannot be opened at the next start, who the daemon
// should run as, and warnings about what is allowed and rarely meant.
#pragma once

#include "config/engine.h"
#include "delivery/route.h"

#include <string>

namespace impulse::server {

class ConfigurationCheck : public config::Participant {
 public:
  void check(const config::Snapshot& next, config::Diagnostics& diagnostics) override;
  void apply(const config::SnapshotPtr&) noexcept override {}

 private:
  void check_process(const config::Snapshot& next, config::Diagnostics& diagnostics);

  delivery::RouteCheck routes_;
  // What the Security scope and the paths said when they were looked at last
  // and found well: asking for users can take long, and nothing is asked twice.
  std::string well_;
};

}  // namespace impulse::server
