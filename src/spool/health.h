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

  // `spare`: of the free bytes, those above what has to stay free.
  void set_free(uint64_t bytes, uint64_t spare) {
    free_ = bytes;
    spare_ = spare;
  }
  uint64_t free_bytes() const { return free_; }
  // Whether so many bytes more can be taken; as long as nothing is known, yes.
  Result<> room(uint64_t bytes) const {
    if (bytes <= spare_) return {};
    return fail(Errc::no_space, "{} bytes are more than there is room for", bytes);
  }

 private:
  void set(std::optional<Error>& which, std::optional<Error> why) {
    const std::lock_guard lock(mutex_);
    which = std::move(why);
    unwell_.store(sick_.has_value() || low_.has_value(), std::memory_order_release);
  }

  std::atomic<bool> unwell_{false};
  std::atomic<uint64_t> free_{0};
  std::atomic<uint64_t> spare_{UINT64_MAX};
  mutable std::mutex mutex_;
  std::optional<Error> sick_;  // the disk failed
  std::optional<Error> low_;   // below Spool_Min_Free
};

}  // namespace impulse::spool
