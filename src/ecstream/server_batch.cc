// What gathers while a batch is being committed, what is handed over, and the
// answers: ACK and NAK.
#include "ecstream/answers.h"
#include "ecstream/server_impl.h"

#include <algorithm>

namespace impulse::ecstream {

namespace {

// Of a refusal in the memory of a stream, about.
constexpr uint64_t refusal_size = 20;
// Memory that costs nothing.
constexpr uint64_t free_memory = 4096;

}  // namespace

void ServerSession::Impl::drop_batch() {
  if (!batch_.empty()) host_.abandoned(batch_.size());
  batch_.clear();
  batch_ids_.clear();
  refused_.clear();
  batch_bytes_ = 0;
  batch_files_ = 0;
  received_ = covered();
}

// How long a batch waits that is much smaller than the memory of the stream,
// which is written with it: whoever has thousands of refusals remembered, and
// sends one SKIP after the other, writes a MiB each second at most.
Duration ServerSession::Impl::price() const {
  if (opening_.stream.empty()) return Duration{0};
  const uint64_t memory = (memory_.refused.size() + refused_.size()) * refusal_size;
  if (memory <= free_memory + batch_bytes_) return Duration{0};
  return std::chrono::microseconds(memory - batch_bytes_);
}

// A stream without memory has nothing to commit where nothing was taken.
void ServerSession::Impl::settle_without_commit() {
  if (!opening_.stream.empty() || !batch_.empty() || !gathered()) return;
  submit_now_ = false;
  move_done(received_, std::exchange(refused_, {}));
  if (answering() || phase_ == Phase::closing) acknowledge();
}

Submission ServerSession::Impl::take_submission() {
  Submission submission;
  submission.stream = opening_.stream;
  submission.first = covered() + 1;
  submission.last = received_;
  submission.protocol = protocol();

  Flight flight;
  flight.last = received_;
  flight.refused = std::exchange(refused_, {});
  auto wants = batch_ids_.begin();
  for (const TakenMessage& message : batch_) {
    if (wants != batch_ids_.end() && *wants == message.sequence) {
      flight.want_id.emplace_back(message.sequence, flight.sequences.size());
      ++wants;
    }
    flight.sequences.push_back(message.sequence);
    flight.recipients += message.envelope.recipients.size();
  }
  batch_ids_.clear();
  batch_bytes_ = 0;
  batch_files_ = 0;
  submission.messages = std::exchange(batch_, {});
  if (!submission.stream.empty()) {
    StreamMemory next;
    next.done = flight.last;
    const auto unseen = [&](const Refused& each) { return flight.last - each.sequence < widest_; };
    std::copy_if(memory_.refused.begin(), memory_.refused.end(), std::back_inserter(next.refused), unseen);
    std::copy_if(flight.refused.begin(), flight.refused.end(), std::back_inserter(next.refused), unseen);
    submission.receipt = next.encode();
  }
  flight_ = std::move(flight);
  submit_now_ = false;
  return submission;
}

void ServerSession::Impl::submitted(const Result<std::vector<MessageId>>& result, std::string_view node) {
  if (!flight_) return;
  Flight flight = std::move(*flight_);
  flight_.reset();
  if (result) {
    messages_ += flight.sequences.size();
    recipients_ += flight.recipients;
    move_done(flight.last, std::move(flight.refused));
    acknowledge_with_ids(*result, flight, node);
    return;
  }
  MessageRefusal why{451, "4.3.0", "admission", "Temporary failure"};
  if (result.error().code == Errc::no_space) why = {452, "4.3.1", "admission", "No room for messages"};
  if (result.error().code == Errc::busy || result.error().code == Errc::no_files)
    why = {451, "4.3.2", "admission", "Too busy"};
  for (const uint64_t sequence : flight.sequences) send_nak(sequence, why, false);
  // Nothing of what came behind it can be taken any more: it would need the memory.
  const uint64_t last = flight.last;
  if (!batch_.empty()) host_.abandoned(batch_.size());
  batch_.clear();
  batch_ids_.clear();
  refused_.clear();
  batch_bytes_ = 0;
  batch_files_ = 0;
  drop_coming();
  received_ = memory_.done;  // nothing gathers
  if (!answering()) return;
  host_.refused({.goaway = GoAway::storage, .cause = "admission", .text = result.error().message});
  goaway(GoAway::storage, text(GoAway::storage), last);
  phase_ = Phase::closing;
}

// Everything up to `done` is answered for good.
void ServerSession::Impl::move_done(uint64_t done, std::vector<Refused> refused) {
  memory_.done = done;
  const auto seen = [&](const Refused& each) { return done - each.sequence >= widest_; };
  std::erase_if(memory_.refused, seen);
  for (Refused& each : refused)
    if (!seen(each)) memory_.refused.push_back(std::move(each));
  limit_ = std::max(limit_, done + std::min<uint64_t>(window_, UINT64_MAX - done));
}

void ServerSession::Impl::acknowledge() {
  ack_due_ = false;
  const auto open = std::upper_bound(flushes_.begin(), flushes_.end(), memory_.done);
  const bool flushed = open != flushes_.begin();
  flushes_.erase(flushes_.begin(), open);
  write(FrameType::ack, flushed ? flag::ack_flushed : 0, memory_.done, {});
}

// Ids take room: as many ACKs as they need, the last of them for all.
void ServerSession::Impl::acknowledge_with_ids(const std::vector<MessageId>& ids, const Flight& flight,
                                               std::string_view node) {
  std::string payload;
  uint64_t up_to = 0;
  for (const auto& [sequence, index] : flight.want_id) {
    if (index >= ids.size()) break;
    const std::string id = ids[index].to_string(node);
    const size_t size = sizeof(uint64_t) + 1 + std::min<size_t>(id.size(), 255);
    if (payload.size() + size > max_ack) {
      write(FrameType::ack, flag::ack_ids, up_to, payload);
      payload.clear();
    }
    append_id(payload, {sequence, id});
    up_to = sequence;
  }
  if (payload.empty()) return acknowledge();
  ack_due_ = false;
  const auto open = std::upper_bound(flushes_.begin(), flushes_.end(), memory_.done);
  const bool flushed = open != flushes_.begin();
  flushes_.erase(flushes_.begin(), open);
  write(FrameType::ack, static_cast<uint8_t>(flag::ack_ids | (flushed ? flag::ack_flushed : 0)), memory_.done, payload);
}

void ServerSession::Impl::send_nak(uint64_t sequence, const MessageRefusal& why, bool repeated) {
  const std::string payload = encode(Nak{static_cast<uint16_t>(why.code), why.recipient, why.enhanced, why.text});
  write(FrameType::nak, repeated ? flag::nak_repeated : 0, sequence, payload);
}

void ServerSession::Impl::on_flush() {
  if (flushes_.empty() || flushes_.back() != received_) flushes_.push_back(received_);
  if (received_ == memory_.done) {
    ack_due_ = true;
  } else if (!flight_ && !(batch_.empty() && opening_.stream.empty())) {
    submit_now_ = true;
  }
}

}  // namespace impulse::ecstream
