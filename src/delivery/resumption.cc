#include "delivery/resumption.h"

#include <algorithm>
#include <chrono>

namespace impulse::delivery {
namespace {

// How long a host that says nothing is waited for.
constexpr Duration patience = std::chrono::seconds(60);
constexpr Duration first_wait = std::chrono::seconds(1);
constexpr Duration longest_wait = std::chrono::seconds(8);

}  // namespace

Resumption::Resumption(Duration most) : most_(std::min<Duration>(most, std::chrono::hours(24))) {}

std::optional<Duration> Resumption::next(SteadyTime now, ecstream::Again again) {
  if (attempts_ == 0) {
    since_ = now;
    until_ = now + std::min(patience, most_);
  } else if (again == ecstream::Again::in_a_while) {
    // It lives, and cannot tell yet: it reads its spool, perhaps.
    until_ = std::min(now + patience, since_ + most_);
  }
  if (now >= until_) return std::nullopt;
  Duration wait = again == ecstream::Again::at_once ? Duration{0} : first_wait;
  if (attempts_ > 0) wait = std::min(longest_wait, first_wait * (1U << std::min(attempts_ - 1, 8U)));
  ++attempts_;
  // The last attempt is made when the time is nearly up.
  return std::max(Duration{1}, std::min(wait, std::chrono::floor<Duration>(until_ - now)));
}

Duration Resumption::at_most(Duration after, SteadyTime now) const {
  if (attempts_ == 0) return after;
  return std::max(Duration{1}, std::min(after, std::chrono::ceil<Duration>(until_ - now)));
}

}  // namespace impulse::delivery
