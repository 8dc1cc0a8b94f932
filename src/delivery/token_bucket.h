// TokenBucket: how often something may happen. It holds as many tokens as the
// rate has for its period, is full at first, and fills evenly: over any time t
// no more than count + t * count / period go out, and none is lost to rounding.
// No clock of its own. For one thread.
#pragma once

#include "base/clock.h"
#include "config/value.h"

#include <cstdint>

namespace impulse::delivery {

class TokenBucket {
 public:
  // `rate.count` above 0.
  TokenBucket(const config::Rate& rate, SteadyTime now);

  const config::Rate& rate() const { return rate_; }
  // Another rate. What was taken lately counts on: of a bucket for 10 from which
  // 4 are gone, one for 20 has 16 left, and one for 3 nothing.
  void set(const config::Rate& rate, SteadyTime now);

  uint64_t available(SteadyTime now);
  bool full(SteadyTime now);
  // Whether one more may be owed: after it no more is than the bucket holds.
  bool lends(SteadyTime now);
  // Whether they are there or not: what is owed is made up for first, up to the
  // bucket's size.
  void take(uint64_t count, SteadyTime now);
  void give_back(uint64_t count, SteadyTime now);
  // Until so many are there; never, for more than the bucket holds: as for those.
  Duration wait(uint64_t count, SteadyTime now);

 private:
  void measure();
  void refill(SteadyTime now);

  config::Rate rate_;
  // A token is `price_` drops, and each microsecond brings `flow_` of them.
  int64_t price_ = 1;
  int64_t flow_ = 1;
  int64_t size_ = 1;    // drops that it holds
  int64_t level_ = 0;   // drops; below 0: owed
  int64_t filled_ = 0;  // when, in microseconds of the clock
};

}  // namespace impulse::delivery
