// Whole numbers only: nothing is rounded but the microsecond.
#include "delivery/token_bucket.h"

#include <algorithm>
#include <numeric>

namespace impulse::delivery {

namespace {

// A rate that would need more is coarser by one part in a billion or less.
constexpr int64_t most_drops = INT64_MAX / 8;

int64_t micros(SteadyTime now) { return std::chrono::floor<Duration>(now.time_since_epoch()).count(); }

}  // namespace

TokenBucket::TokenBucket(const config::Rate& rate, SteadyTime now) : rate_(rate) {
  measure();
  level_ = size_;
  filled_ = micros(now);
}

void TokenBucket::measure() {
  flow_ = static_cast<int64_t>(std::clamp<uint64_t>(rate_.count, 1, most_drops));
  price_ = std::clamp<int64_t>(rate_.per.count(), 1, most_drops);
  const int64_t common = std::gcd(flow_, price_);
  const int64_t count = flow_;
  flow_ /= common;
  price_ /= common;
  // Too large a product: so many tokens in so long a time that smaller ones will do.
  while (price_ > 1 && count > most_drops / price_) {
    price_ = std::max<int64_t>(price_ / 2, 1);
    flow_ = std::max<int64_t>(flow_ / 2, 1);
  }
  size_ = count * price_;
}

void TokenBucket::refill(SteadyTime now) {
  const int64_t to = micros(now);
  const int64_t passed = to - filled_;
  if (passed <= 0) return;
  filled_ = to;
  const int64_t missing = size_ - level_;
  level_ = passed > missing / flow_ ? size_ : level_ + passed * flow_;
}

void TokenBucket::set(const config::Rate& rate, SteadyTime now) {
  if (rate == rate_) return;
  refill(now);
  const double used = static_cast<double>(size_ - level_) / static_cast<double>(price_);
  rate_ = rate;
  measure();
  const double left = static_cast<double>(size_) - used * static_cast<double>(price_);
  level_ = left >= static_cast<double>(size_) ? size_ : static_cast<int64_t>(std::max(left, 0.0));
}

uint64_t TokenBucket::available(SteadyTime now) {
  refill(now);
  return level_ <= 0 ? 0 : static_cast<uint64_t>(level_ / price_);
}

bool TokenBucket::full(SteadyTime now) {
  refill(now);
  return level_ == size_;
}

bool TokenBucket::lends(SteadyTime now) {
  refill(now);
  return level_ >= price_ - size_;
}

void TokenBucket::take(uint64_t count, SteadyTime now) {
  refill(now);
  const auto most = static_cast<uint64_t>((level_ + size_) / price_);
  level_ = count >= most ? -size_ : level_ - static_cast<int64_t>(count) * price_;
}

void TokenBucket::give_back(uint64_t count, SteadyTime now) {
  refill(now);
  const auto most = static_cast<uint64_t>((size_ - level_) / price_);
  level_ = count > most ? size_ : level_ + static_cast<int64_t>(count) * price_;
}

Duration TokenBucket::wait(uint64_t count, SteadyTime now) {
  refill(now);
  const auto most = static_cast<uint64_t>(size_ / price_);
  const int64_t missing = static_cast<int64_t>(std::min(count, most)) * price_ - level_;
  return missing <= 0 ? Duration{0} : Duration(missing / flow_ + (missing % flow_ == 0 ? 0 : 1));
}

}  // namespace impulse::delivery
