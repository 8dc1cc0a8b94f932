#include "console/inject/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace impulse::ecinject {

namespace {

// Values below 128 have a bucket each; above, each doubling has 64.
constexpr unsigned sub_bits = 6;
constexpr uint64_t largest = uint64_t{1} << 40;

size_t bucket_of(uint64_t value) {
  const unsigned width = static_cast<unsigned>(std::bit_width(value));
  const unsigned shift = width > sub_bits + 1 ? width - sub_bits - 1 : 0;
  return (static_cast<size_t>(shift) << sub_bits) + static_cast<size_t>(value >> shift);
}

// The highest value that falls into it.
uint64_t top_of(size_t bucket) {
  const size_t half = size_t{1} << sub_bits;
  if (bucket < 2 * half) return bucket;
  const size_t shift = bucket / half - 1;
  return ((uint64_t{bucket % half + half} + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : buckets_(bucket_of(largest) + 1) {}

void Histogram::add(uint64_t value) {
  value = std::min(value, largest);
  ++buckets_[bucket_of(value)];
  ++count_;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

uint64_t Histogram::percentile(double part) const {
  if (count_ == 0) return 0;
  const auto rank = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(part * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) return std::clamp(top_of(bucket), min_, max_);
  }
  return max_;
}

}  // namespace impulse::ecinject
