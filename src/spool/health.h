// Health: whether new mail is taken, and why not. Set by the committer, asked
// by everybody; asking costs an atomic while all is well.
#pragma once

#include "base/result.h"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace impulse::spool {

class Health {
 public:
  Result<> admission() const {
    if (!unwell_.load(std::memory_order_acquire)) return {};
    const std::lock_guard lock(mutex_);
    if (sick_) return std::unexpected(*sick_);
    if (low_) return std::unexpected(*low_);
    return {};
  }
  void set_sick(std::optional<Error> why) { set(sick_, std::move(why)); }
  void set_low(std::optional<Error> why) { set(low_, std::move(why)); }

  void set_free(uint64_t bytes) { free_ = bytes; }
  uint64_t free_bytes() const { return free_; }

 private:
  void set(std::optional<Error>& which, std::optional<Error> why) {
    const std::lock_guard lock(mutex_);
    which = std::move(why);
    unwell_.store(sick_.has_value() || low_.has_value(), std::memory_order_release);
  }

  std::atomic<bool> unwell_{false};
  std::atomic<uint64_t> free_{0};
  mutable std::mutex mutex_;
  std::optional<Error> sick_;  // the disk failed
  std::optional<Error> low_;   // below Spool_Min_Free
};

}  // namespace impulse::spool
