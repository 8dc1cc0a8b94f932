// Histogram: how long things took, in buckets whose width grows with the value
// (as HdrHistogram does): memory is bounded, and no percentile is off by more
// than 1/64 of itself.
#pragma once

#include <cstdint>
#include <vector>

namespace impulse::ecinject {

class Histogram {
 public:
  Histogram();
  void add(uint64_t value);  // microseconds; above 2^40 (12 days) counts as that
  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  uint64_t min() const { return count_ == 0 ? 0 : min_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  // The value that `part` (0 to 1) of all are at or below; 0 when there are none.
  uint64_t percentile(double part) const;

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  uint64_t min_ = UINT64_MAX;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace impulse::ecinject
