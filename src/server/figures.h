// The numbers of the whole daemon for /metrics. Main thread.
#pragma once

#include "api/metrics.h"
#include "base/clock.h"
#include "control/system.h"
#include "spool/spool.h"

#include <functional>
#include <memory>
#include <utility>

namespace impulse::server {

// What the console's commands show, asked of the same who answer them.
api::Figures figures_of(control::System& system, const spool::Spool& spool);

// The same for those who ask often: gathered anew when it is `age` old. Main
// thread; what it gives is anybody's.
class FiguresCache {
 public:
  static constexpr Duration age = std::chrono::seconds(1);
  using Gather = std::function<api::Figures()>;
  explicit FiguresCache(Gather gather) : gather_(std::move(gather)) {}
  std::shared_ptr<const api::Figures> at(SteadyTime now);

 private:
  const Gather gather_;
  std::shared_ptr<const api::Figures> figures_;  // null: never gathered
  SteadyTime gathered_{};
};

}  // namespace impulse::server
