#include "server/http_injection.h"

#include "base/clock.h"

#include <utility>

namespace impulse::server {

namespace {

// Of building, before others have their turn.
constexpr Duration slice = std::chrono::milliseconds(2);

}  // namespace

HttpInjection::HttpInjection(inject::Injector& injector, net::Loop& loop, std::unique_ptr<api::Job> job, Check check,
                             std::optional<spool::Receipt> receipt, Held held, std::function<void(Outcome)> done)
    : injector_(injector),
      loop_(loop),
      job_(std::move(job)),
      check_(std::move(check)),
      receipt_(std::move(receipt)),
      held_(std::move(held)),
      done_(std::move(done)),
      self_(std::make_shared<HttpInjection*>(this)) {}

HttpInjection::~HttpInjection() { *self_ = nullptr; }

void HttpInjection::start() {
  if (job_->total() == 1 && !receipt_) return one();
  auto batch = injector_.begin_batch(std::string(job_->protocol()), loop_);
  if (!batch) return finish(std::move(batch.error()));
  batch_ = std::move(*batch);
  go_on();
}

// What is alone needs no batch around it.
void HttpInjection::one() {
  auto message = job_->build(0);
  if (!message) return finish(std::move(message.error()));
  if (auto refused = check_(*message)) return finish(std::move(*refused));
  if (auto fits = room(*message); !fits) return finish(std::move(fits.error()));
  committing_ = true;
  injector_.submit(std::move(*message), std::string(job_->protocol()), loop_,
                   [self = self_, held = held_](const Result<MessageId>& id) {
                     if (id && held.ticket != nullptr) held.ticket->accepted();
                     if (*self == nullptr) return;
                     if (id)
                       (*self)->finish(std::vector{*id});
                     else
                       (*self)->finish(id.error());
                   });
}

void HttpInjection::go_on() {
  const SteadyTime end = steady_now() + slice;
  while (next_ < job_->total()) {
    // Who was woken adds, full or not: a batch that has failed may stay full, and says so then.
    if (!std::exchange(woken_, false) && batch_->full())
      return batch_->on_room([this] {  // not called behind the batch's end
        woken_ = true;
        go_on();
      });
    auto message = job_->build(next_);
    if (!message) return finish(std::move(message.error()));
    if (auto refused = check_(*message)) return finish(std::move(*refused));
    if (auto fits = room(*message); !fits) return finish(std::move(fits.error()));
    if (auto added = batch_->add(std::move(*message)); !added) return finish(std::move(added.error()));
    ++next_;
    if (steady_now() >= end && next_ < job_->total()) return later();
  }
  commit();
}

// The whole request has to fit: the spool looks at the disk now and then only.
Result<> HttpInjection::room(const spool::Incoming& message) {
  bytes_ += message.trace.size() + message.body_size();
  return injector_.room(bytes_);
}

void HttpInjection::later() {
  loop_.post([self = self_] {
    if (*self != nullptr) (*self)->go_on();
  });
}

void HttpInjection::commit() {
  committing_ = true;
  batch_->commit(std::move(receipt_), [self = self_, held = held_](Result<std::vector<MessageId>> ids) {
    if (ids && held.ticket != nullptr) held.ticket->accepted();
    if (*self == nullptr) return;
    if (ids)
      (*self)->finish(std::move(*ids));
    else
      (*self)->finish(std::move(ids.error()));
  });
}

void HttpInjection::finish(Outcome outcome) {
  batch_.reset();
  const auto done = std::move(done_);
  done(std::move(outcome));  // may be the end of us
}

}  // namespace impulse::server
