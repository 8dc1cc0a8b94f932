#include "spool/batches.h"

#include "base/crc32c.h"

#include <algorithm>

namespace impulse::spool {

void Batches::begin_round(const std::vector<PendingMessage>& messages) {
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].part) continue;
    BatchPart& part = *messages[i].part;
    part.skip = part.batch->over() || part.kind == BatchPart::Kind::end;
    if (waiting_.empty() || waiting_.back().batch != part.batch) waiting_.push_back({.batch = part.batch});
    waiting_.back().bytes += messages[i].record_size();
    waiting_.back().end = i + 1;
  }
}

void Batches::finish(size_t messages) {
  size_t done = 0;
  for (; done < waiting_.size() && waiting_[done].end <= messages; ++done)
    waiting_[done].batch->finished(waiting_[done].bytes);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(done));
}

bool Batches::must_wait(const PendingMessage& message, uint32_t number) {
  if (!message.part || message.part->kind != BatchPart::Kind::commit || !writes(message)) return false;
  const OpenBatch& batch = *message.part->batch;
  const auto elsewhere = [=](const auto& written) { return written.first != number; };
  return batch.fresh > 0 && std::ranges::any_of(batch.written, elsewhere);
}

RecordType Batches::join(PendingMessage& message) {
  BatchPart& part = *message.part;
  OpenBatch& batch = *part.batch;
  if (part.kind == BatchPart::Kind::message) {
    ++batch.members;
    ++batch.fresh;
    return RecordType::message;
  }
  CommitRecord& record = part.record;
  record.members = batch.members;
  record.settled = batch.fresh == 0;
  if (record.sequence != 0) receipts_.number(record);
  if (record.states.empty()) {
    record.update(message.head.data() + record_header_size);
  } else {
    for (JournalEntry& entry : record.states) entry.target = batch.ids[entry.target.offset];
    message.head.resize(record_header_size);
    record.encode(message.head);
  }
  message.meta_crc = crc32c(0, std::string_view(message.head).substr(record_header_size));
  return RecordType::commit;
}

void Batches::placed(const BatchPart& part, MessageId id) {
  std::vector<MessageId>& ids = part.batch->ids;
  if (ids.size() <= part.slot) ids.resize(part.slot + 1);
  ids[part.slot] = id;
}

size_t Batches::durable(PendingMessage& message, uint32_t number, uint32_t nonce, const Index::Message& where) {
  BatchPart& part = *message.part;
  OpenBatch& batch = *part.batch;
  if (where.offset == 0) {
    if (part.kind == BatchPart::Kind::end) release(batch);
    return 0;
  }
  if (part.kind == BatchPart::Kind::commit) return commit(part, number, nonce, message, where.offset);
  batch.fresh = 0;
  auto& written = batch.written[number];
  if (written.empty()) index_.pin(number);
  written.push_back(where);
  if (message.rest != nullptr) batch.rests.emplace_back(batch.ids[part.slot], message.rest->hand_over());
  open_[batch.id()] = part.batch;
  return 0;
}

size_t Batches::commit(BatchPart& part, uint32_t number, uint32_t nonce, const PendingMessage& message,
                       uint32_t offset) {
  OpenBatch& batch = *part.batch;
  for (const auto& [id, rest] : batch.rests) {
    index_.add_rest(id, rest->rest());
    rest->keep();
  }
  batch.rests.clear();
  Settling settling{batch.id(), number, {}};
  for (const auto& [segment, messages] : batch.written) {
    index_.add_messages(segment, messages);
    index_.add_target(number, segment);
    settling.segments.push_back(segment);
    if (segment != number) crossing_.insert(offset);
  }
  for (const JournalEntry& entry : part.record.states) index_.apply(entry);
  if (part.record.sequence != 0)
    receipts_.apply(
        part.record,
        {number, nonce, offset, static_cast<uint32_t>(message.head.size() - record_header_size), message.body_length});
  if (!settling.segments.empty()) settling_.push_back(std::move(settling));
  release(batch);
  return batch.ids.size();
}

void Batches::release(OpenBatch& batch) {
  for (const auto& [segment, messages] : batch.written) index_.unpin(segment);
  batch.written.clear();
  batch.rests.clear();
  open_.erase(batch.id());
}

void Batches::answer(PendingMessage& message) {
  BatchPart& part = *message.part;
  if (part.kind != BatchPart::Kind::commit) return;
  if (auto why = part.batch->failure()) {
    release(*part.batch);
    part.done(std::unexpected(std::move(*why)));
  } else {
    part.done(std::move(part.batch->ids));
  }
}

void Batches::refuse(PendingMessage& message, const Error& why) {
  BatchPart& part = *message.part;
  part.batch->fail(message.refused ? *message.refused : why);
  release(*part.batch);
  answer(message);
}

void Batches::leave_rests(PendingMessage& message) {
  if (!writes(message)) return;
  if (message.rest != nullptr) message.rest->keep();
  if (message.part && message.part->kind == BatchPart::Kind::commit)
    for (const auto& [id, rest] : message.part->batch->rests) rest->keep();
}

std::vector<Footer::Member> Batches::open_in(uint32_t number) const {
  std::vector<Footer::Member> members;
  for (const auto& [id, batch] : open_)
    if (const auto found = batch->written.find(number); found != batch->written.end())
      for (const Footer::Message& message : found->second) members.push_back({message, id});
  return members;
}

std::string Batches::settled_record() const {
  std::vector<uint64_t> batches;
  for (const Settling& settling : settling_) batches.push_back(settling.batch);
  return encode_settled(batches);
}

bool Batches::settles_elsewhere(uint32_t number) const {
  for (const Settling& settling : settling_)
    if (settling.segment != number || std::ranges::any_of(settling.segments, [=](uint32_t at) { return at != number; }))
      return true;
  return false;
}

void Batches::settled(uint32_t number) {
  for (const Settling& settling : settling_) {
    if (settling.segment == number) continue;
    index_.add_target(number, settling.segment);
    for (const uint32_t segment : settling.segments) index_.add_target(number, segment);
  }
  said_ = settling_.size();
}

void Batches::said_durably() {
  settling_.erase(settling_.begin(), settling_.begin() + static_cast<std::ptrdiff_t>(said_));
  said_ = 0;
}

}  // namespace impulse::spool
