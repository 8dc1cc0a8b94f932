// Allocation and release happen outside the lock.
#include "spool/resident.h"

#include <utility>

namespace impulse::spool {

void Resident::set_limit(uint64_t messages) {
  limit_ = messages;
  Entries dropped;
  const std::lock_guard lock(mutex_);
  dropped = shrink();
}

Resident::Entries Resident::shrink() {
  Entries dropped;
  const uint64_t limit = limit_;
  while (!entries_.empty() && (entries_.size() > limit || bytes_ / share >= limit)) {
    bytes_ -= entries_.front().size();
    places_.erase(entries_.front().id);
    dropped.splice(dropped.end(), entries_, entries_.begin());
  }
  return dropped;
}

void Resident::add(MessageId id, std::string_view meta, const std::vector<std::string_view>& body, size_t body_length) {
  if (limit_ == 0 || meta.size() + body_length > largest) return;
  Entries fresh;
  Entry& entry = fresh.emplace_back();
  entry.id = id;
  entry.message.meta = meta;
  entry.message.body.reserve(body_length);
  for (const std::string_view part : body) entry.message.body += part;
  Entries dropped;
  const std::lock_guard lock(mutex_);
  if (!places_.try_emplace(id, fresh.begin()).second) return;
  bytes_ += entry.size();
  entries_.splice(entries_.end(), fresh);
  dropped = shrink();
}

std::optional<Resident::Message> Resident::find(MessageId id) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(id);
  ++(found == places_.end() ? misses_ : hits_);
  if (found == places_.end()) return std::nullopt;
  return found->second->message;
}

void Resident::erase(MessageId id) {
  Entries gone;
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(id);
  if (found == places_.end()) return;
  bytes_ -= found->second->size();
  gone.splice(gone.end(), entries_, found->second);
  places_.erase(found);
}

Resident::Figures Resident::figures() const {
  const std::lock_guard lock(mutex_);
  return {entries_.size(), bytes_, hits_, misses_};
}

}  // namespace impulse::spool
