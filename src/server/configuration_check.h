// ConfigurationCheck: what the daemon as a whole has to say about a
// configuration before it is used, apart from TLS (tls_store.h): routes that
// cannot work, and warnings about what is allowed and rarely meant.
#pragma once

#include "config/engine.h"

namespace impulse::server {

class ConfigurationCheck : public config::Participant {
 public:
  void check(const config::Snapshot& next, config::Diagnostics& diagnostics) override;
  void apply(const config::SnapshotPtr&) noexcept override {}
};

}  // namespace impulse::server
