// Pacer: when the next message may go, at so many a second over all
// connections. Knows no clock: the time is told, in seconds since the begin.
#pragma once

#include <algorithm>
#include <cstdint>

namespace impulse::ecinject {

class Pacer {
 public:
  // Messages a second; 0: as fast as they go.
  explicit Pacer(double rate) : rate_(rate) {}

  // How many may go now, besides those that were taken. After a pause it is not
  // made up for more than `arrears` seconds: a server that was away is not flooded.
  uint64_t due(double now) {
    if (rate_ <= 0) return UINT64_MAX;
    const double earned = now * rate_ - waived_ + 1;
    const double most = std::max(1.0, arrears * rate_);
    const double open = earned - static_cast<double>(taken_);
    if (open > most) waived_ += open - most;
    return open < 1 ? 0 : static_cast<uint64_t>(std::min(open, most));
  }
  void took(uint64_t count) { taken_ += count; }
  // When due() gives one again; only after it gave none.
  double next() const { return rate_ <= 0 ? 0 : (static_cast<double>(taken_) + waived_) / rate_; }

 private:
  static constexpr double arrears = 1.0;
  double rate_;
  uint64_t taken_ = 0;
  double waived_ = 0;  // messages that were due and were not taken
};

}  // namespace impulse::ecinject
