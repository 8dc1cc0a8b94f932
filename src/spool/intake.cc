#include "spool/intake.h"

#include "base/crc32c.h"
#include "message/limits.h"
#include "spool/message_codec.h"
#include "spool/record.h"

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

namespace impulse::spool {

namespace {

// Numbers of batches begin anywhere, and grow: no two of a spool's are alike.
uint64_t random_number() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

}  // namespace

// Gathers what is added, so that a small batch reaches the queue as one piece,
// with its commit: one write, one sync.
class LogBatch final : public Batch {
 public:
  LogBatch(Intake& intake, uint64_t id)
      : intake_(intake), state_(std::make_shared<OpenBatch>(id, intake.limits_.batch_window)) {}

  ~LogBatch() override {
    if (committed_) return;
    state_->on_room(nullptr);
    state_->on_written(nullptr);
    state_->drop();
    gathered_.clear();
    if (handed_on_) put_last(part(BatchPart::Kind::end));
  }

  Result<> add(std::shared_ptr<const Incoming> message) override {
    if (committed_) return fail(Errc::invalid, "the batch is committed already");
    if (auto why = state_->failure()) return std::unexpected(std::move(*why));
    if (count_ == max_messages) return spoil(Errc::invalid, "a batch of more than {} messages", max_messages);
    if (!message->told.empty()) return spoil(Errc::invalid, "a report cannot be part of a batch");
    if (auto checked = note_states(*message); !checked) return checked;
    PendingMessage pending = part(BatchPart::Kind::message);
    if (auto made = intake_.prepare(*message, pending, state_->id()); !made) {
      state_->fail(made.error());
      return made;
    }
    pending.message = std::move(message);
    pending.part->slot = count_++;
    const uint64_t size = pending.record_size();
    state_->added(size);
    if (pending.rest != nullptr) {
      handed_on_ = behind_rest_ = true;
      intake_.put_behind_rest(std::move(pending));
      return {};
    }
    gathered_.push_back(std::move(pending));
    if ((gathered_bytes_ += size) < intake_.limits_.batch_piece) return {};
    handed_on_ = true;
    gathered_bytes_ = 0;
    intake_.queue_.put(std::exchange(gathered_, {}));
    return {};
  }

  // States wait for the commit, so they do not make it full: who waited for room would wait for ever.
  uint64_t waiting() const override { return state_->waiting() + states_bytes_; }
  bool full() const override { return state_->full(); }
  void on_room(std::function<void()> callback) override {
    if (!committed_) state_->on_room(std::move(callback));
  }

  void written(std::function<void(Result<std::vector<MessageId>>)> callback) override {
    if (committed_) return;
    if (!gathered_.empty()) {
      handed_on_ = true;
      gathered_bytes_ = 0;
      intake_.queue_.put(std::exchange(gathered_, {}));
    }
    state_->on_written(std::move(callback));
  }

  void commit(std::optional<Receipt> receipt, std::function<void(Result<std::vector<MessageId>>)> done) override {
    if (committed_) return done(fail(Errc::invalid, "the batch is committed already"));
    state_->on_room(nullptr);
    state_->on_written(nullptr);
    PendingMessage last = part(BatchPart::Kind::commit);
    last.part->done = std::move(done);
    CommitRecord& record = last.part->record;
    record.batch = count_ > 0 ? state_->id() : 0;
    record.states = std::move(states_);
    if (receipt) {
      if (receipt->owner.empty() || receipt->owner.size() > Receipt::max_name ||
          receipt->key.size() > Receipt::max_name || receipt->value.size() > Receipt::max_value)
        (void)spoil(Errc::invalid, "a receipt with a name or value that is too long, or without an owner");
      if (!intake_.receipts_known_) (void)spoil(Errc::busy, "what was done before the start is still being read");
      record.receipt = std::move(*receipt);
      record.sequence = 1;  // any: the committer knows which
      record.value_in_body = record.receipt.value.size() > CommitRecord::short_value;
    }
    if (count_ > 0 || record.sequence != 0) {
      last.head.assign(record_header_size, '\0');
      record.encode(last.head);
    }
    if (record.value_in_body) {
      last.body = {record.receipt.value};
      last.body_length = static_cast<uint32_t>(record.receipt.value.size());
      last.body_crc = crc32c(0, record.receipt.value);
    }
    state_->added(last.record_size());  // with the states
    states_bytes_ = 0;
    committed_ = true;
    put_last(std::move(last));
  }

 private:
  // Under the number of the message, instead of its id, which the committer knows.
  Result<> note_states(const Incoming& message) {
    const auto& states = message.states;
    if (states.empty()) return {};
    if (states.size() != message.envelope.recipients.size())
      return spoil(Errc::invalid, "{} states of {} recipients", states.size(), message.envelope.recipients.size());
    if (std::ranges::none_of(states, [](const RecipientState& each) { return each.state == State::pending; }))
      return spoil(Errc::invalid, "a message of which no recipient is pending");
    std::string encoded;
    for (uint32_t i = 0; i < states.size(); ++i) {
      if (states[i] == RecipientState{}) continue;
      states_.push_back({{0, count_}, i, states[i]});
      encoded.clear();
      encode_entry(states_.back(), encoded);
      states_bytes_ += encoded.size();
    }
    if (states_bytes_ > intake_.limits_.batch_states)
      return spoil(Errc::invalid, "a batch with more than {} bytes of recipients' states",
                   intake_.limits_.batch_states);
    return {};
  }

  PendingMessage part(BatchPart::Kind kind) const {
    PendingMessage pending;
    pending.part = std::make_unique<BatchPart>();
    pending.part->batch = state_;
    pending.part->kind = kind;
    return pending;
  }

  // Behind all that was handed on before, and with what was not.
  void put_last(PendingMessage last) {
    gathered_.push_back(std::move(last));
    if (!behind_rest_) return intake_.queue_.put(std::move(gathered_));
    auto shared = std::make_shared<std::vector<PendingMessage>>(std::move(gathered_));
    intake_.large_work_.post([&queue = intake_.queue_, shared] { queue.put(std::move(*shared)); });
  }

  template <class... Args>
  std::unexpected<Error> spoil(Errc code, fmt::format_string<Args...> format, Args&&... args) {
    auto why = fail(code, format, std::forward<Args>(args)...);
    state_->fail(why.error());
    return why;
  }

  Intake& intake_;
  std::shared_ptr<OpenBatch> state_;
  std::vector<PendingMessage> gathered_;
  std::vector<JournalEntry> states_;
  uint64_t gathered_bytes_ = 0;
  uint64_t states_bytes_ = 0;  // as they will be written
  uint32_t count_ = 0;
  bool handed_on_ = false;
  bool behind_rest_ = false;
  bool committed_ = false;
};

Intake::Intake(CommitQueue& queue, const Health& health, const LargeFiles& large, LargeWork& large_work,
               const std::string& node, const Limits& limits, bool force_fsync)
    : queue_(queue),
      health_(health),
      large_(large),
      large_work_(large_work),
      node_(node),
      limits_(limits),
      force_fsync_(force_fsync),
      next_batch_(random_number()) {}

std::unexpected<Error> Intake::busy() const {
  return fail(Errc::busy, "{} bytes are waiting to be written", queue_.waiting());
}

Result<> Intake::admission() const {
  if (queue_.waiting() > limits_.max_waiting) return busy();
  return health_.admission();
}

void Intake::commit(std::shared_ptr<const Incoming> message, std::function<void(Result<MessageId>)> done) {
  PendingMessage pending;
  pending.done = std::move(done);
  if (auto made = prepare(*message, pending, 0); !made) {
    PendingMessage refused;
    refused.done = std::move(pending.done);
    refused.refused = std::move(made.error());
    pending = std::move(refused);
  } else {
    pending.message = std::move(message);
  }
  if (pending.rest != nullptr)
    put_behind_rest(std::move(pending));
  else
    queue_.put(std::move(pending));
}

Result<std::unique_ptr<Batch>> Intake::begin_batch() {
  if (auto admitted = admission(); !admitted) return std::unexpected(std::move(admitted.error()));
  uint64_t id = next_batch_++;
  if (id == 0) id = next_batch_++;
  return std::make_unique<LogBatch>(*this, id);
}

// Everything that can be done on the caller's thread. What a batch may have
// waiting is bounded by its window: it is not refused in the middle.
Result<> Intake::prepare(const Incoming& message, PendingMessage& pending, uint64_t batch) const {
  const size_t recipients = message.envelope.recipients.size();
  if (recipients == 0) return fail(Errc::invalid, "a message needs recipients");
  if (recipients > message::most_recipients)
    return fail(Errc::invalid, "a message to more than {} recipients", message::most_recipients);
  if (batch == 0 && !message.states.empty()) return fail(Errc::invalid, "states of recipients come with a batch");
  if (message.id_offset != Incoming::no_id && message.id_offset > message.trace.size())
    return fail(Errc::invalid, "the id has no place in the trace");
  const uint64_t waiting = queue_.waiting();
  if (batch == 0 && waiting > 0 && waiting + message.body.size() > limits_.max_waiting) return busy();
  pending.head.assign(record_header_size, '\0');
  encode_message(message, node_, pending.head);
  if (batch != 0) encode_batch(batch, pending.head);
  if (message.rest && message.rest->size() > 0) {
    auto* rest = dynamic_cast<LargeBody*>(message.rest.get());
    if (rest == nullptr || !rest->belongs_to(large_)) return fail(Errc::invalid, "a body of another spool");
    if (auto finished = rest->finish(); !finished) return finished;
    encode_rest(rest->rest(), pending.head);
    pending.rest = rest;
  }
  if (pending.head.size() + message.body.size() > segment_limit - segment_header_size)
    return fail(Errc::invalid, "a message of {} bytes is too large for the spool", message.body.size());
  pending.body = message.body.parts();
  pending.body_length = static_cast<uint32_t>(message.body.size());
  pending.meta_crc = crc32c(0, std::string_view(pending.head).substr(record_header_size));
  for (const std::string_view part : pending.body) pending.body_crc = crc32c(pending.body_crc, part);
  return {};
}

// Its file is durable before its record is written, and not on the
// committer's thread: other messages do not wait for a large one.
void Intake::put_behind_rest(PendingMessage pending) {
  auto shared = std::make_shared<PendingMessage>(std::move(pending));
  large_work_.post([this, shared] {
    if (force_fsync_)
      if (auto synced = shared->rest->sync(); !synced) {
        if (shared->part) shared->part->batch->fail(synced.error());
        shared->refused = std::move(synced.error());
        shared->rest = nullptr;
        shared->message = nullptr;
      }
    queue_.put(std::move(*shared));
  });
}

}  // namespace impulse::spool
