#include "spool/commit_queue.h"

#include <iterator>
#include <utility>

namespace impulse::spool {

namespace {

// That much company is enough not to wait for more.
constexpr uint64_t enough = 1 << 20;

}  // namespace

void CommitQueue::wake(std::unique_lock<std::mutex>& lock) {
  const bool wake = std::exchange(sleeping_, false);
  lock.unlock();
  if (wake) changed_.notify_one();
}

void CommitQueue::put(PendingMessage message) {
  const uint64_t bytes = message.refused ? 0 : message.record_size();
  waiting_ += bytes;
  std::unique_lock lock(mutex_);
  work_.parts += message.part ? 1 : 0;
  work_.messages.push_back(std::move(message));
  work_.bytes += bytes;
  wake(lock);
}

void CommitQueue::put(std::vector<PendingMessage> messages) {
  uint64_t bytes = 0;
  size_t parts = 0;
  for (const PendingMessage& message : messages) {
    bytes += message.refused ? 0 : message.record_size();
    parts += message.part ? 1 : 0;
  }
  waiting_ += bytes;
  std::unique_lock lock(mutex_);
  work_.messages.insert(work_.messages.end(), std::make_move_iterator(messages.begin()),
                        std::make_move_iterator(messages.end()));
  work_.parts += parts;
  work_.bytes += bytes;
  wake(lock);
}

void CommitQueue::put(PendingEntry entry) {
  std::unique_lock lock(mutex_);
  work_.entries.push_back(std::move(entry));
  wake(lock);
}

void CommitQueue::stop() {
  std::unique_lock lock(mutex_);
  work_.stop = true;
  wake(lock);
}

void CommitQueue::nudge() {
  std::unique_lock lock(mutex_);
  nudged_ = true;
  wake(lock);
}

void CommitQueue::take(Work& work, Duration timeout, Duration delay) {
  std::unique_lock lock(mutex_);
  const auto wait_until = [&](SteadyTime deadline, auto&& ready) {
    while (!ready()) {
      sleeping_ = true;
      if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) break;
    }
    sleeping_ = false;
  };
  wait_until(steady_now() + timeout, [&] { return !work_.empty() || work_.stop || nudged_; });
  nudged_ = false;
  if (delay > Duration::zero() && !work_.empty())
    wait_until(steady_now() + delay, [&] { return work_.stop || work_.bytes >= enough; });
  std::swap(work.messages, work_.messages);
  std::swap(work.entries, work_.entries);
  work.bytes = std::exchange(work_.bytes, 0);
  work.parts = std::exchange(work_.parts, 0);
  work.stop = work_.stop;
}

}  // namespace impulse::spool
