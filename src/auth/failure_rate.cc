#include "auth/failure_rate.h"

#include <algorithm>

namespace impulse::auth {

namespace {

constexpr unsigned one_host = 64;  // bits of an IPv6 address: whoever has one has all behind them

IpAddress host_of(const IpAddress& address) {
  return address.is_v4() ? address : IpPrefix(address, one_host).address();
}

}  // namespace

void FailureRate::failed(const IpAddress& from, Duration per, SteadyTime now) {
  const IpAddress address = host_of(from);
  if (windows_.size() >= limit && !windows_.contains(address)) make_room(now);
  Window& window = windows_[address];
  if (window.failures == 0 || now >= window.end) window = {now + per, 0};
  ++window.failures;
}

bool FailureRate::refused(const IpAddress& address, uint64_t count, SteadyTime now) const {
  const auto at = windows_.find(host_of(address));
  return count > 0 && at != windows_.end() && now < at->second.end && at->second.failures >= count;
}

void FailureRate::make_room(SteadyTime now) {
  std::erase_if(windows_, [now](const auto& entry) { return now >= entry.second.end; });
  if (windows_.size() < limit) return;
  const auto first = std::min_element(windows_.begin(), windows_.end(),
                                      [](const auto& a, const auto& b) { return a.second.end < b.second.end; });
  windows_.erase(first);
}

}  // namespace impulse::auth
