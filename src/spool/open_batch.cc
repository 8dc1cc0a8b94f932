#include "spool/open_batch.h"

namespace impulse::spool {

void OpenBatch::call() {
  if (const auto callback = std::exchange(callback_, nullptr)) callback();
}

void OpenBatch::call_written() {
  const auto callback = std::exchange(written_, nullptr);
  if (!callback) return;
  if (why_)
    callback(std::unexpected(*why_));
  else
    callback(ids);
}

void OpenBatch::fail(Error why) {
  const std::lock_guard lock(mutex_);
  if (why_) return;
  why_ = std::move(why);
  failed_ = true;
  call();
  call_written();
}

std::optional<Error> OpenBatch::failure() const {
  if (!failed_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  return why_;
}

void OpenBatch::finished(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if ((waiting_ -= bytes) <= window_ / 2) call();
  if (waiting_ == 0) call_written();
}

void OpenBatch::on_room(std::function<void()> callback) {
  std::unique_lock lock(mutex_);
  callback_ = nullptr;
  if (callback == nullptr) return;
  if (!full() || why_) {
    lock.unlock();
    return callback();
  }
  callback_ = std::move(callback);
}

void OpenBatch::on_written(Written callback) {
  const std::lock_guard lock(mutex_);
  written_ = std::move(callback);
  if (why_ || waiting_ == 0) call_written();
}

}  // namespace impulse::spool
