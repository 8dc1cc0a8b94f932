// What may go: segments that nothing needs any more, and what would free others.
#include "spool/index.h"

#include <algorithm>
#include <utility>

namespace impulse::spool {

namespace {

// Bytes a message takes in a checkpoint, roughly: planning only.
constexpr uint64_t checkpoint_cost = 64;
constexpr uint64_t no_checkpoint = UINT64_MAX / 8;

}  // namespace

bool Index::worth_removing(uint32_t number, const Segment& segment, std::vector<uint32_t>& needed_by) const {
  if (segment.receipt_bytes * 4 > segment.bytes) return false;
  uint64_t cost = 0;
  for (const uint32_t target : segment.targets) {
    const auto found = segments_.find(target);
    if (found == segments_.end() || found->second.checkpoint > number) continue;
    needed_by.push_back(target);
    cost += checkpoint_cost * (1 + found->second.count + found->second.noted);
    // There may be messages in it that the index does not know: none may be left out as finished.
    if (found->second.kept) cost = no_checkpoint;
    if (cost * 4 > segment.bytes) break;
  }
  return needed_by.empty() || cost * 4 <= segment.bytes;
}

Index::Removal Index::plan_removal() const {
  Removal removal;
  for (const uint32_t number : plan_removal(removal)) removal.checkpoints.push_back(checkpoint_of(number));
  return removal;
}

// All but the checkpoints, and of what these have to be.
std::vector<uint32_t> Index::plan_removal(Removal& removal) const {
  const std::lock_guard lock(mutex_);
  std::vector<uint32_t> wanted;
  if (segments_.empty()) return wanted;
  // The newest one stays: its number is what keeps numbers growing.
  const uint32_t newest = segments_.rbegin()->first;
  for (const auto& [number, segment] : segments_) {
    std::vector<uint32_t> needed_by;
    if (!segment.finished() || number == newest || !worth_removing(number, segment, needed_by)) continue;
    wanted.insert(wanted.end(), needed_by.begin(), needed_by.end());
    if (segment.receipt_bytes > 0)
      removal.receipts.push_back(number);
    else if (needed_by.empty())
      removal.removable.push_back(number);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  // A segment that goes away by itself needs no checkpoint.
  std::erase_if(wanted, [&](uint32_t number) {
    return std::binary_search(removal.removable.begin(), removal.removable.end(), number);
  });
  return wanted;
}

std::optional<uint32_t> Index::plan_compaction(uint64_t gain) const {
  const std::lock_guard lock(mutex_);
  std::optional<uint32_t> best;
  if (segments_.empty()) return best;
  const uint32_t newest = segments_.rbegin()->first;
  for (const auto& [number, segment] : segments_) {
    if (!segment.sealed || segment.kept || segment.left || segment.pins > 0 || segment.count == 0 || number == newest ||
        segment.live_bytes * 4 > segment.bytes || segment.bytes - segment.live_bytes < gain)
      continue;
    std::vector<uint32_t> needed_by;
    if (!worth_removing(number, segment, needed_by)) continue;
    gain = segment.bytes - segment.live_bytes;
    best = number;
  }
  return best;
}

void Index::leave(uint32_t segment) {
  const std::lock_guard lock(mutex_);
  if (const auto found = segments_.find(segment); found != segments_.end()) found->second.left = true;
}

}  // namespace impulse::spool
