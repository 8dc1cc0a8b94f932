#include "spool/receipts.h"

#include "spool/record.h"
#include "spool/segment_reader.h"
#include "spool/wire.h"

#include <algorithm>

namespace impulse::spool {

namespace {

// Owner and key as one string, without two pairs that are alike.
std::string name(std::string_view owner, std::string_view key) {
  std::string name;
  name.reserve(4 + owner.size() + key.size());
  put(name, static_cast<uint32_t>(owner.size()));
  name += owner;
  name += key;
  return name;
}

Receipt receipt_of(std::string_view name, WallTime expires, const std::string& value) {
  const size_t owner = load<uint32_t>(name.data());
  return {std::string(name.substr(4, owner)), std::string(name.substr(4 + owner)), value, expires};
}

}  // namespace

uint64_t Receipts::bytes_of(const Place& place) {
  return aligned(record_header_size + uint64_t{place.meta_length} + place.body_length);
}

void Receipts::locate(const Place& place) {
  ++in_segment_[place.segment];
  index_.add_receipt(place.segment, bytes_of(place));
}

void Receipts::leave(const Place& place) {
  if (const auto found = in_segment_.find(place.segment); found != in_segment_.end() && --found->second == 0)
    in_segment_.erase(found);
  index_.drop_receipt(place.segment, bytes_of(place));
}

void Receipts::forget(Entries::value_type& entry) {
  by_age_.erase(entry.second.sequence);
  by_expiry_.erase({entry.second.expires, entry.second.sequence});
  leave(entry.second.place);
  entries_.erase(entries_.find(entry.first));
}

void Receipts::keep_limit() {
  while (entries_.size() > limit_) {
    const auto oldest = by_age_.begin();
    forgotten_ = std::max(forgotten_, oldest->first);
    forget(*oldest->second);
  }
}

void Receipts::number(CommitRecord& record) {
  const std::lock_guard lock(mutex_);
  const std::string key = name(record.receipt.owner, record.receipt.key);
  record.sequence = ++last_sequence_;
  record.forgotten = forgotten_;
  const auto known = entries_.find(key);
  WallTime& expires = record.receipt.expires;
  if (known != entries_.end()) expires = std::max(expires, known->second.expires);
  // Others of this key may be on their way to the disk, too.
  const auto [numbered, first] = numbered_.try_emplace(key, expires);
  numbered->second = expires = std::max(expires, numbered->second);
  if (known == entries_.end() && first && entries_.size() + numbered_.size() > limit_ && !by_age_.empty())
    record.forgotten = std::max(forgotten_, by_age_.begin()->first);
}

void Receipts::refused() {
  const std::lock_guard lock(mutex_);
  numbered_.clear();
}

void Receipts::apply(const CommitRecord& record, const Place& place) {
  const std::lock_guard lock(mutex_);
  numbered_.clear();
  last_sequence_ = std::max({last_sequence_, record.sequence, record.forgotten});
  forgotten_ = std::max(forgotten_, record.forgotten);
  if (record.sequence == 0 || record.sequence <= forgotten_) return;
  const auto [found, added] = entries_.try_emplace(name(record.receipt.owner, record.receipt.key));
  Entry& entry = found->second;
  if (!added) {
    if (record.sequence < entry.sequence) return;
    by_age_.erase(entry.sequence);
    by_expiry_.erase({entry.expires, entry.sequence});
    leave(entry.place);
  }
  entry = {record.receipt.expires, record.sequence, record.value_in_body,
           record.value_in_body ? std::string() : record.receipt.value, place};
  by_age_.emplace(entry.sequence, &*found);
  by_expiry_.emplace(entry.expires, entry.sequence);
  locate(place);
  keep_limit();
}

void Receipts::recovered(WallTime now) {
  {
    const std::lock_guard lock(mutex_);
    while (!by_age_.empty() && by_age_.begin()->first <= forgotten_) forget(*by_age_.begin()->second);
    last_sequence_ = std::max<uint64_t>(last_sequence_, std::max<int64_t>(now.time_since_epoch().count(), 0));
  }
  expire(now);
}

std::optional<Receipts::Found> Receipts::find(std::string_view owner, std::string_view key, WallTime now) const {
  const std::string wanted = name(owner, key);
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(wanted);
  if (found == entries_.end() || found->second.expires <= now) return std::nullopt;
  const Entry& entry = found->second;
  return Found{receipt_of(found->first, entry.expires, entry.value), entry.sequence, entry.value_in_body, entry.place};
}

void Receipts::expire(WallTime now) {
  const std::lock_guard lock(mutex_);
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= now) forget(*by_age_.at(by_expiry_.begin()->second));
}

std::vector<Receipts::Found> Receipts::in(uint32_t segment) const {
  std::vector<Found> all;
  const std::lock_guard lock(mutex_);
  const auto count = in_segment_.find(segment);
  if (count == in_segment_.end()) return all;
  // What is to be removed is old: soon found.
  for (auto at = by_age_.begin(); at != by_age_.end() && all.size() < count->second; ++at) {
    const Entry& entry = at->second->second;
    if (entry.place.segment == segment)
      all.push_back({receipt_of(at->second->first, entry.expires, entry.value), entry.sequence, entry.value_in_body,
                     entry.place});
  }
  return all;
}

std::set<uint32_t> Receipts::offsets_in(uint32_t segment) const {
  std::set<uint32_t> offsets;
  const std::lock_guard lock(mutex_);
  const auto count = in_segment_.find(segment);
  if (count == in_segment_.end()) return offsets;
  for (auto at = by_age_.rbegin(); at != by_age_.rend() && offsets.size() < count->second; ++at)
    if (at->second->second.place.segment == segment) offsets.insert(at->second->second.place.offset);
  return offsets;
}

uint64_t Receipts::forgotten() const {
  const std::lock_guard lock(mutex_);
  return forgotten_;
}

size_t Receipts::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

Result<std::string> read_value(const SegmentFiles& files, const Receipts::Place& place) {
  const auto file = files.get(place.segment);
  if (!file) return std::unexpected(file.error());
  auto head = read_head(**file, place.segment, place.nonce, RecordType::commit, place.offset, place.meta_length);
  if (!head) return std::unexpected(std::move(head.error()));
  return read_body(**file, head->header);
}

}  // namespace impulse::spool
