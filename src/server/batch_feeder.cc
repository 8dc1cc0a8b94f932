#include "server/batch_feeder.h"

#include "base/clock.h"

#include <utility>

namespace impulse::server {

namespace {

// Of adding, before others have their turn.
constexpr Duration slice = std::chrono::milliseconds(2);
// Until a queue that was too full is looked at again.
constexpr Duration patience = std::chrono::milliseconds(20);

}  // namespace

BatchFeeder::BatchFeeder(inject::Injector& injector, net::Loop& loop, inject::Source source, Next next,
                         std::optional<spool::Receipt> receipt, Done done)
    : injector_(injector),
      loop_(loop),
      source_(std::move(source)),
      next_(std::move(next)),
      receipt_(std::move(receipt)),
      done_(std::move(done)),
      self_(std::make_shared<BatchFeeder*>(this)) {}

BatchFeeder::~BatchFeeder() { *self_ = nullptr; }

void BatchFeeder::start() {
  auto batch = injector_.begin_batch(source_, loop_);
  if (!batch && batch.error().code == Errc::busy && waits_) {
    if (again_ == nullptr) again_ = std::make_unique<net::Timer>(loop_, [this] { start(); });
    return again_->start(patience);
  }
  if (!batch) return fail_with(std::move(batch.error()));
  batch_ = std::move(*batch);
  go_on();
}

void BatchFeeder::go_on() {
  const SteadyTime end = steady_now() + slice;
  while (true) {
    // Who was woken adds, full or not: a batch that has failed may stay full, and says so then.
    if (!std::exchange(woken_, false) && batch_->full())
      return batch_->on_room([this] {  // not called behind the batch's end
        woken_ = true;
        go_on();
      });
    const auto more = feed();
    if (!more) return fail_with(more.error());
    if (!*more) break;
    if (steady_now() >= end)
      return loop_.post([self = self_] {
        if (*self != nullptr) (*self)->go_on();
      });
  }
  next_ = nullptr;  // with what it holds
  if (!make_receipt_) return commit();
  batch_->written([this](const Result<std::vector<MessageId>>& ids) {  // not called behind the batch's end
    if (!ids) return fail_with(ids.error());
    receipt_ = make_receipt_(*ids);
    commit();
  });
}

void BatchFeeder::commit() {
  committing_ = true;
  batch_->commit(std::move(receipt_), std::move(done_));
  batch_.reset();
}

Result<bool> BatchFeeder::feed() {
  auto message = next_();
  if (!message) return std::unexpected(std::move(message.error()));
  if (!*message) return false;
  // The whole batch has to fit: the spool looks at the disk now and then only.
  bytes_ += (*message)->trace.size() + (*message)->body_size();
  if (auto fits = injector_.room(bytes_); !fits) return std::unexpected(std::move(fits.error()));
  if (auto added = batch_->add(std::move(**message)); !added) return std::unexpected(std::move(added.error()));
  return true;
}

void BatchFeeder::fail_with(Error error) {
  batch_.reset();
  loop_.post(
      [done = std::move(done_), error = std::move(error)]() mutable { done(std::unexpected(std::move(error))); });
}

}  // namespace impulse::server
