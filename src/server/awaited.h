// Answered: what a console command waits for, set once by another thread.
#pragma once

#include "control/queue.h"

#include <atomic>
#include <memory>
#include <utility>

namespace impulse::server {

template <class T>
class Answered final : public control::Awaited<T> {
 public:
  struct Shared {
    void set(Result<T> with) {
      value = std::move(with);
      there.store(true, std::memory_order_release);
    }
    Result<T> value{};
    std::atomic<bool> there{false};
  };
  explicit Answered(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  Result<T>* ready() override { return shared_->there.load(std::memory_order_acquire) ? &shared_->value : nullptr; }

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace impulse::server
