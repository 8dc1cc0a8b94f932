// Resumption: a connection by ECStream has gone with messages of which nobody knows
// whether they were taken: when another one asks, and when that has taken too
// long. Pure.
#pragma once

#include "base/clock.h"
#include "ecstream/goaway.h"

#include <optional>

namespace impulse::delivery {

class Resumption {
 public:
  // `most`: in all; of that, a day.
  explicit Resumption(Duration most);

  // A connection has gone, or could not be made: how long until the next one, more than 0;
  // nullopt: none. `again`: what the other side said of that.
  std::optional<Duration> next(SteadyTime now, ecstream::Again again);
  void answered() { attempts_ = 0; }
  // While it lasts: `after`, or what is left when that is less; more than 0.
  Duration at_most(Duration after, SteadyTime now) const;

 private:
  Duration most_;
  unsigned attempts_ = 0;  // since there was an answer
  SteadyTime since_{};
  SteadyTime until_{};
};

}  // namespace impulse::delivery
