#include "server/snapshot_keeper.h"

#include "base/thread_name.h"

#include <algorithm>
#include <utility>

namespace impulse::server {

SnapshotKeeper::SnapshotKeeper() : thread_([this] { run(); }) {}

SnapshotKeeper::~SnapshotKeeper() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SnapshotKeeper::keep(config::SnapshotPtr snapshot) {
  if (!entries_.empty() && entries_.back().snapshot == snapshot) return;
  config::ScopePtr root = snapshot->root();
  entries_.push_back({std::move(snapshot), std::move(root)});
  sweep();
}

// A count of one cannot grow again: nobody but us could make a copy.
bool SnapshotKeeper::sweep() {
  std::vector<std::shared_ptr<const void>> going;
  for (size_t i = 0; i + 1 < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    if (entry.snapshot && entry.snapshot.use_count() == 1) going.push_back(std::exchange(entry.snapshot, nullptr));
    if (!entry.snapshot && entry.root.use_count() == 1) going.push_back(std::exchange(entry.root, nullptr));
  }
  std::erase_if(entries_, [](const Entry& entry) { return entry.root == nullptr; });
  if (!going.empty()) {
    {
      const std::lock_guard lock(mutex_);
      going_.insert(going_.end(), std::make_move_iterator(going.begin()), std::make_move_iterator(going.end()));
    }
    wake_.notify_one();
  }
  return snapshots() > 1;
}

size_t SnapshotKeeper::snapshots() const {
  return static_cast<size_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.snapshot != nullptr; }));
}

size_t SnapshotKeeper::trees() const { return entries_.size(); }

void SnapshotKeeper::run() {
  name_thread("snapshots");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !going_.empty(); });
    auto going = std::exchange(going_, {});
    if (stop_ && going.empty()) return;
    lock.unlock();
    going.clear();
    lock.lock();
  }
}

}  // namespace impulse::server
