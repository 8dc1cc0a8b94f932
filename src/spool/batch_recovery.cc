#include "spool/batch_recovery.h"

#include <algorithm>

namespace impulse::spool {

void BatchRecovery::add(uint32_t segment, const Footer::Member& member) {
  const MessageId id{segment, member.message.offset};
  waiting_[id] = {member.message, member.batch};
  batches_[member.batch].members.push_back(id);
}

void BatchRecovery::count(uint32_t holder, Found& batch) {
  batch.counts = true;
  for (const MessageId id : batch.members) {
    const auto member = waiting_.extract(id);
    if (member.empty()) continue;
    index_.add_messages(id.segment, {member.mapped().message});
    if (batch.segments.empty() || batch.segments.back() != id.segment) batch.segments.push_back(id.segment);
  }
  for (const uint32_t segment : batch.segments) index_.add_target(holder, segment);
  for (const JournalEntry& entry : batch.states) index_.apply(entry);
  if (batch.states.empty()) return;
  for (const uint32_t segment : batch.segments) index_.add_target(batch.commit.segment, segment);
  batch.states.clear();
}

bool BatchRecovery::commit(MessageId at, const CommitRecord& record, bool proven) {
  if (record.batch == 0) return true;
  Found& batch = batches_[record.batch];
  if (batch.counts) return true;
  batch.commit = at;
  batch.states = record.states;
  if (!proven && !record.settled && batch.members.size() != record.members) {
    batch.wanted = record.members;
    unproven_[at] = record.batch;
    return false;
  }
  count(at.segment, batch);
  // Once more in the log, in case that this record is damaged some day.
  if (!proven) settling_.push_back({record.batch, at.segment, batch.segments});
  return true;
}

void BatchRecovery::settled(uint32_t holder, uint64_t number) {
  Found& batch = batches_[number];
  std::erase_if(settling_, [&](const Batches::Settling& settling) { return settling.batch == number; });
  if (!batch.counts) {
    unproven_.erase(batch.commit);
    count(holder, batch);
  }
  for (const uint32_t segment : batch.segments) index_.add_target(holder, segment);
}

void BatchRecovery::checkpoint(const Checkpoint& checkpoint) {
  for (const CheckpointMessage& message : checkpoint.messages) {
    const auto member = waiting_.extract(MessageId{checkpoint.segment, message.offset});
    if (!member.empty()) index_.add_messages(checkpoint.segment, {member.mapped().message});
  }
}

std::map<MessageId, Footer::Message> BatchRecovery::suspected(const std::vector<MessageId>& damage, bool torn) const {
  std::map<MessageId, Footer::Message> all;
  const MessageId last = damage.empty() ? MessageId{} : *std::max_element(damage.begin(), damage.end());
  for (const auto& [id, member] : waiting_) {
    const Found& batch = batches_.at(member.batch);
    // Their commit is there, if these have one.
    if (batch.counts) continue;
    if (batch.commit == MessageId{} ? batch.members.back() < last : torn) all.emplace(id, member.message);
  }
  return all;
}

std::vector<BatchRecovery::Torn> BatchRecovery::torn() const {
  std::vector<Torn> all;
  for (const auto& [at, number] : unproven_) {
    const Found& batch = batches_.at(number);
    all.push_back({at, batch.wanted, batch.members});
  }
  return all;
}

}  // namespace impulse::spool
