#include "server/accept_queue.h"

#include <utility>

namespace impulse::server {

AcceptQueue::Turn& AcceptQueue::Turn::operator=(Turn&& other) noexcept {
  if (this == &other) return *this;
  has_come();
  queue_ = std::move(other.queue_);
  return *this;
}

void AcceptQueue::Turn::has_come() {
  if (const auto queue = std::exchange(queue_, nullptr)) queue->leave();
}

void AcceptQueue::open(net::Loop& loop, std::function<void()> start, std::function<void()> stop) {
  {
    const std::lock_guard lock(mutex_);
    loop_ = &loop;
  }
  start_ = std::move(start);
  stop_ = std::move(stop);
  open_ = true;
  look();
}

void AcceptQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;
  }
  if (std::exchange(accepting_, false)) stop_();
  open_ = false;
}

void AcceptQueue::set_bound(uint64_t most) {
  bound_ = most;
  look();
}

AcceptQueue::Turn AcceptQueue::join() {
  waiting_.fetch_add(1);
  Turn turn(shared_from_this());
  if (bound_ != 0) look();
  return turn;
}

// Another one may accept by now; it has looked when it began.
bool AcceptQueue::is_on(const net::Loop& loop) {
  const std::lock_guard lock(mutex_);
  return loop_ == &loop;
}

void AcceptQueue::look() {
  if (!open_) return;
  if (full()) {
    if (std::exchange(accepting_, false)) stop_();
    paused_.store(true);
    if (full()) return;
  }
  paused_.store(false);
  if (!std::exchange(accepting_, true)) start_();
}

void AcceptQueue::leave() {
  waiting_.fetch_sub(1);
  if (!paused_.load() || !paused_.exchange(false)) return;
  const std::lock_guard lock(mutex_);
  if (loop_ == nullptr) return;
  loop_->post([queue = shared_from_this(), loop = loop_] {
    if (queue->is_on(*loop)) queue->look();
  });
}

}  // namespace impulse::server
