// Messages packed into one block each.
#include "delivery/backlog.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace impulse::delivery {

Backlog::Message::Message(const message::Envelope& envelope, uint64_t size, uint32_t pending)
    : received_(envelope.received),
      deadline_(envelope.deliver_by.deadline),
      size_(size),
      count_(static_cast<uint32_t>(envelope.recipients.size())),
      pending_(pending),
      must_return_(envelope.deliver_by.mode == 'R'),
      traced_(envelope.deliver_by.trace),
      notifies_(std::ranges::any_of(envelope.recipients, [](const auto& each) { return each.notify != 0; })) {
  size_t total = (size_t{count_} + 1) * sizeof(uint32_t) + envelope.sender.size();
  for (const auto& recipient : envelope.recipients) total += recipient.address.size() + (notifies_ ? 1 : 0);
  packed_.reserve(total);
  uint32_t end = 0;
  const auto mark = [&](size_t length) {
    end += static_cast<uint32_t>(length);
    char bytes[sizeof end];
    std::memcpy(bytes, &end, sizeof end);
    packed_.append(bytes, sizeof end);
  };
  mark(envelope.sender.size());
  for (const auto& recipient : envelope.recipients) mark(recipient.address.size());
  packed_ += envelope.sender;
  for (const auto& recipient : envelope.recipients) packed_ += recipient.address;
  if (!notifies_) return;
  for (const auto& recipient : envelope.recipients) packed_ += static_cast<char>(recipient.notify);
}

uint8_t Backlog::Message::notify(uint32_t number) const {
  return notifies_ && number < count_ ? static_cast<uint8_t>(packed_[packed_.size() - count_ + number]) : uint8_t{0};
}

std::string_view Backlog::Message::part(uint32_t index) const {
  const auto end_of = [&](uint32_t which) {
    uint32_t end = 0;
    std::memcpy(&end, packed_.data() + size_t{which} * sizeof end, sizeof end);
    return end;
  };
  const uint32_t from = index == 0 ? 0 : end_of(index - 1);
  const std::string_view text = std::string_view(packed_).substr((size_t{count_} + 1) * sizeof(uint32_t));
  return text.substr(from, end_of(index) - from);
}

bool Backlog::add(MessageId id, const message::Envelope& envelope, uint64_t size, uint32_t pending) {
  return messages_.try_emplace(id, envelope, size, pending).second;
}

const Backlog::Message* Backlog::find(MessageId id) const {
  const auto found = messages_.find(id);
  return found == messages_.end() ? nullptr : &found->second;
}

void Backlog::done(MessageId id, uint32_t recipient) {
  errors_.erase({id, recipient});
  reported_.erase({id, recipient});
  const auto found = messages_.find(id);
  if (found != messages_.end() && --found->second.pending_ == 0) messages_.erase(found);
}

WallTime Backlog::reported(MessageId id, uint32_t recipient) const {
  const auto found = reported_.find({id, recipient});
  return found == reported_.end() ? WallTime{} : found->second;
}

void Backlog::set_error(MessageId id, uint32_t recipient, std::shared_ptr<const std::string> text) {
  errors_.insert_or_assign(Key{id, recipient}, std::move(text));
}

std::string_view Backlog::error(MessageId id, uint32_t recipient) const {
  const auto found = errors_.find({id, recipient});
  return found == errors_.end() ? std::string_view() : std::string_view(*found->second);
}

}  // namespace impulse::delivery
