#include "ecstream/client_stream.h"

#include <utility>

namespace impulse::ecstream {

namespace {

// What an entry costs besides its bytes, about.
constexpr size_t entry_overhead = 96;

}  // namespace

ClientStream::ClientStream(std::string name, std::optional<uint64_t> acknowledged)
    : name_(std::move(name)),
      numbered_(acknowledged || name_.empty()),
      done_(acknowledged.value_or(0)),
      next_(done_ + 1) {}

ClientStream ClientStream::fresh(std::string name) {
  ClientStream stream(std::move(name), 0);
  stream.fresh_ = !stream.name_.empty();
  stream.furthest_ = 0;  // a server that has something of it has another's
  return stream;
}

Result<uint64_t> ClientStream::add(const MessageHead& head, std::string body, bool want_id, uint64_t rest) {
  if (!numbered_) return fail(Errc::busy, "the stream is not open yet");
  auto envelope = encode(head);
  if (!envelope) return std::unexpected(std::move(envelope.error()));
  if (next_ <= done_) return next_++;
  bytes_ += envelope->size() + body.size() + entry_overhead;
  Entry entry;
  entry.envelope = std::move(*envelope);
  entry.body = std::move(body);
  entry.rest = rest;
  entry.want_id = want_id;
  entries_.push_back(std::move(entry));
  return next_++;
}

void ClientStream::set_deliver_by(uint64_t sequence, int32_t seconds) {
  Entry* const entry = find(sequence);
  if (entry != nullptr && !entry->skip) ecstream::set_deliver_by(entry->envelope, seconds);
}

void ClientStream::give_up(uint64_t sequence) {
  Entry* const entry = find(sequence);
  if (entry != nullptr) clear(*entry);
}

ClientStream::Entry* ClientStream::find(uint64_t sequence) {
  if (sequence <= done_ || sequence - done_ > entries_.size()) return nullptr;
  return &entries_[static_cast<size_t>(sequence - done_ - 1)];
}

void ClientStream::clear(Entry& entry) {
  if (entry.skip) return;
  bytes_ -= entry.envelope.size() + entry.body.size();
  entry.envelope = {};
  entry.body = {};
  entry.rest = 0;
  entry.skip = true;
}

ClientStream::Span ClientStream::span(uint64_t sequence) {
  const Entry* const entry = find(sequence);
  return entry == nullptr ? Span{} : entry->span;
}

void ClientStream::done(uint64_t sequence) {
  while (done_ < sequence && !entries_.empty()) {
    bytes_ -= entry_overhead + entries_.front().envelope.size() + entries_.front().body.size();
    entries_.pop_front();
    ++done_;
  }
  if (done_ < sequence) done_ = sequence;
}

}  // namespace impulse::ecstream
