// RouteCheck: delivery's part in checking a configuration before it is used.
#pragma once

#include "config/engine.h"
#include "delivery/route.h"

namespace impulse::server {

class RouteCheck : public config::Participant {
 public:
  void check(const config::Snapshot& next, config::Diagnostics& diagnostics) override {
    delivery::check_routes(next, diagnostics);
  }
  void apply(const config::SnapshotPtr&) noexcept override {}
};

}  // namespace impulse::server
