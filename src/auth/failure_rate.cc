#include "auth/failure_rate.h"

#include "auth/password.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace impulse::auth {

namespace {

constexpr unsigned one_host = 64;  // bits of an IPv6 address: whoever has one has all behind them

IpAddress host_of(const IpAddress& address) {
  return address.is_v4() ? address : IpPrefix(address, one_host).address();
}

std::string place_of(const IpAddress& address, std::string_view user) {
  return fingerprint(host_of(address).to_string() + '\0' + std::string(user));
}

}  // namespace

template <class Key>
void FailureRate::count(Windows<Key>& windows, const Key& key, Duration per, SteadyTime now) {
  if (windows.size() >= limit && !windows.contains(key)) make_room(windows, now);
  Window& window = windows[key];
  if (window.failures == 0 || now >= window.end) window = {now + per, 0};
  ++window.failures;
}

template <class Key>
bool FailureRate::is_full(const Windows<Key>& windows, const Key& key, uint64_t count, SteadyTime now) {
  const auto at = windows.find(key);
  return count > 0 && at != windows.end() && now < at->second.end && at->second.failures >= count;
}

// An eighth at a time: whoever fails from everywhere shall not cost a search each time.
template <class Key>
void FailureRate::make_room(Windows<Key>& windows, SteadyTime now) {
  std::erase_if(windows, [now](const auto& entry) { return now >= entry.second.end; });
  if (windows.size() < limit) return;
  std::vector<SteadyTime> ends;
  ends.reserve(windows.size());
  for (const auto& [key, window] : windows) ends.push_back(window.end);
  const auto last = ends.begin() + limit / 8 - 1;
  std::nth_element(ends.begin(), last, ends.end());
  size_t left = limit / 8;  // many may end at the same time
  std::erase_if(windows, [&](const auto& entry) {
    if (left == 0 || entry.second.end > *last) return false;
    --left;
    return true;
  });
}

void FailureRate::failed(const IpAddress& address, std::string_view user, Duration per, SteadyTime now,
                         std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  count(addresses_, Door(host_of(address), tenant), per, now);
  if (!user.empty()) count(users_, fingerprint(user), per, now);
}

bool FailureRate::refused(const IpAddress& address, uint64_t count, SteadyTime now, std::string_view tenant) const {
  const std::lock_guard lock(mutex_);
  return is_full(addresses_, Door(host_of(address), tenant), count, now);
}

void FailureRate::succeeded(const IpAddress& address, std::string_view user) {
  std::string place = place_of(address, user);
  const std::lock_guard lock(mutex_);
  if (known_.size() >= limit / 2) {
    known_longer_ = std::move(known_);
    known_.clear();
  }
  known_.insert(std::move(place));
}

bool FailureRate::user_refused(const IpAddress& from, std::string_view user, uint64_t count, SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  if (!is_full(users_, fingerprint(user), count, now)) return false;
  const std::string place = place_of(from, user);
  return !known_.contains(place) && !known_longer_.contains(place);
}

size_t FailureRate::addresses() const {
  const std::lock_guard lock(mutex_);
  return addresses_.size();
}

size_t FailureRate::users() const {
  const std::lock_guard lock(mutex_);
  return users_.size();
}

}  // namespace impulse::auth
