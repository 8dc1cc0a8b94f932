// Exponential back-off with jitter.
#include "queue/queue.h"

#include <algorithm>

namespace impulse::queue {

Duration backoff(uint32_t attempts, Duration base, Duration max, double random) {
  base = std::max(base, Duration{0});
  max = std::max(max, Duration{0});
  Duration wait = std::min(base, max);
  // Doubled in steps that cannot overflow: it stops at `max`.
  for (uint32_t i = 1; i < attempts && wait < max && wait > Duration{0}; ++i) {
    wait = wait > max / 2 ? max : wait * 2;
  }
  const double share = std::clamp(random, 0.0, 1.0) / 10;
  const auto jitter = Duration(static_cast<Duration::rep>(static_cast<double>(wait.count()) * share));
  return wait > Duration::max() - jitter ? Duration::max() : wait + jitter;
}

}  // namespace impulse::queue
