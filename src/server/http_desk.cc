#include "server/http_desk.h"

#include <algorithm>
#include <random>
#include <utility>

namespace impulse::server {

namespace {
constexpr unsigned salt_bits = 10;
}

HttpDesk::HttpDesk() : salt_(std::random_device()() & ((1U << salt_bits) - 1)) {}

// Microseconds since the epoch, each taken once, and behind them what tells
// this run of the daemon from others.
uint64_t HttpDesk::number() {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(wall_now().time_since_epoch());
  uint64_t last = last_.load(std::memory_order_relaxed);
  uint64_t next = 0;
  do {
    next = std::max(last + 1, static_cast<uint64_t>(now.count()));
  } while (!last_.compare_exchange_weak(last, next, std::memory_order_relaxed));
  return next << salt_bits | salt_;
}

std::shared_ptr<const HttpDesk::Claim> HttpDesk::claim(const std::string& name) {
  const std::lock_guard lock(claims_->mutex);
  if (!claims_->names.insert(name).second) return nullptr;
  return std::make_shared<const Claim>(claims_, name);
}

}  // namespace impulse::server
