#include "spool/compactor.h"

#include "spool/message_reader.h"
#include "spool/record.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <utility>

namespace impulse::spool {

namespace {

constexpr size_t most_messages = 1000;  // of a slice

uint64_t record_size(const Located& located) {
  return aligned(record_header_size + uint64_t{located.meta_length} + located.body_length);
}

Result<Compactor::Copy> read(const SegmentFiles& files, MessageId id, const Located& located) {
  auto head = read_message_head(files, id, located);
  if (!head) return std::unexpected(std::move(head.error()));
  // What cannot be understood is not carried on.
  if (auto meta = decode_message(head->meta); !meta) return std::unexpected(std::move(meta.error()));
  const auto file = files.get(located.place.segment);
  if (!file) return std::unexpected(file.error());
  auto body = read_body(**file, head->header);
  if (!body) return std::unexpected(std::move(body.error()));
  return Compactor::Copy{id, located.place, std::move(head->meta), std::move(*body), head->header.body_crc};
}

}  // namespace

struct Compactor::Slice {
  std::vector<std::pair<MessageId, Located>> wanted;
  std::vector<Copy> copies;
  std::optional<std::pair<MessageId, Error>> failed;  // the first; nothing is read behind it
  std::atomic<bool> ready = false;
};

Compactor::Compactor(const SegmentFiles& files, Index& index, LargeWork& work, const Limits& limits,
                     std::function<void()> wake, std::function<void(std::string_view)> log)
    : files_(files), index_(index), work_(work), limits_(limits), wake_(std::move(wake)), log_(std::move(log)) {}

bool Compactor::choose() {
  const auto chosen = index_.plan_compaction(limits_.gain);
  if (!chosen) return false;
  segment_ = *chosen;
  ids_ = index_.ids_in(segment_);
  next_ = 0;
  return true;
}

void Compactor::leave() {
  index_.leave(segment_);
  ids_.clear();
  next_ = 0;
}

// When the next slice may begin.
SteadyTime Compactor::due(uint64_t rate) const {
  if (idle_) return begun_ + limits_.every;
  if (rate == 0) return begun_;
  return begun_ + std::chrono::seconds(bytes_ / rate) + Duration(bytes_ % rate * 1000000 / rate);
}

void Compactor::step(SteadyTime now, uint64_t rate) {
  if (slice_ || now < due(rate)) return;
  begun_ = now;
  bytes_ = 0;
  idle_ = next_ >= ids_.size() && !choose();
  if (idle_) return;
  const uint64_t most = rate == 0 ? limits_.slice : std::min(limits_.slice, rate);
  auto slice = std::make_shared<Slice>();
  uint64_t bytes = 0;
  while (next_ < ids_.size() && slice->wanted.size() < most_messages && bytes < most) {
    const MessageId id = ids_[next_];
    auto located = index_.find(id);
    if (!located || located->place.segment != segment_) {  // finished meanwhile
      ++next_;
      continue;
    }
    const uint64_t size = record_size(*located);
    if (size > limits_.max_record) return leave();
    if (bytes > 0 && bytes + size > most) break;
    bytes += size;
    ++next_;
    slice->wanted.emplace_back(id, std::move(*located));
  }
  bytes_ = bytes;
  if (slice->wanted.empty()) return;
  slice_ = slice;
  work_.post([slice, &files = files_, wake = wake_] {
    for (const auto& [id, located] : slice->wanted) {
      auto copy = read(files, id, located);
      if (!copy) {
        slice->failed.emplace(id, std::move(copy.error()));
        break;
      }
      slice->copies.push_back(std::move(*copy));
    }
    slice->ready.store(true, std::memory_order_release);
    wake();
  });
}

Duration Compactor::wait(SteadyTime now, uint64_t rate) const {
  if (slice_) return limits_.every;  // it wakes
  return std::max(Duration(0), std::chrono::duration_cast<Duration>(due(rate) - now));
}

std::vector<Compactor::Copy> Compactor::take() {
  if (!slice_ || !slice_->ready.load(std::memory_order_acquire)) return {};
  const auto slice = std::exchange(slice_, nullptr);
  if (slice->failed) {
    const auto& [id, why] = *slice->failed;
    const auto located = index_.find(id);
    // Else it is finished: what it named may be gone.
    if (located && located->place.segment == segment_) {
      leave();
      log_(fmt::format("{} is not compacted, what is live in it cannot all be read: {}", segment_name(segment_),
                       why.message));
    }
  }
  return std::move(slice->copies);
}

}  // namespace impulse::spool
