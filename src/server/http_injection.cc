#include "server/http_injection.h"

#include <utility>

namespace impulse::server {

HttpInjection::HttpInjection(inject::Injector& injector, net::Loop& loop, std::unique_ptr<api::Job> job, Check check,
                             MakeReceipt receipt, Held held, std::function<void(Outcome)> done, uint64_t session)
    : injector_(injector),
      loop_(loop),
      session_(session),
      job_(std::move(job)),
      check_(std::move(check)),
      receipt_(std::move(receipt)),
      held_(std::move(held)),
      done_(std::move(done)),
      self_(std::make_shared<HttpInjection*>(this)) {}

HttpInjection::~HttpInjection() { *self_ = nullptr; }

void HttpInjection::start() {
  if (job_->total() == 1 && !receipt_) return one();
  feeder_ = std::make_unique<BatchFeeder>(
      injector_, loop_, inject::Source(std::string(job_->protocol()), session_), [this] { return next(); },
      std::nullopt,
      [self = self_, held = std::move(held_)](Result<std::vector<MessageId>> ids) {
        if (ids && held.ticket != nullptr) held.ticket->accepted();
        if (*self != nullptr) (*self)->ended(std::move(ids));
      });
  feeder_->make_receipt(std::move(receipt_));
  feeder_->start();
}

// What is alone needs no batch around it.
void HttpInjection::one() {
  auto message = next();
  if (!message) return finish(refused_ ? Outcome(std::move(*refused_)) : Outcome(message.error()));
  if (auto fits = injector_.room((*message)->trace.size() + (*message)->body_size()); !fits)
    return finish(std::move(fits.error()));
  committing_ = true;
  injector_.submit(std::move(**message), {std::string(job_->protocol()), session_}, loop_,
                   [self = self_, held = std::move(held_)](const Result<MessageId>& id) {
                     if (id && held.ticket != nullptr) held.ticket->accepted();
                     if (*self == nullptr) return;
                     if (id)
                       (*self)->finish(std::vector{*id});
                     else
                       (*self)->finish(id.error());
                   });
}

Result<std::optional<spool::Incoming>> HttpInjection::next() {
  if (next_ == job_->total()) return std::nullopt;
  auto message = job_->build(next_++);
  if (!message)
    refused_ = std::move(message.error());
  else
    refused_ = check_(*message);
  if (refused_) return fail(Errc::invalid, "a message was refused");
  return std::move(*message);
}

void HttpInjection::ended(Result<std::vector<MessageId>> ids) {
  if (ids) return finish(std::move(*ids));
  finish(refused_ ? Outcome(std::move(*refused_)) : Outcome(std::move(ids.error())));
}

void HttpInjection::finish(Outcome outcome) {
  feeder_.reset();
  const auto done = std::move(done_);
  done(std::move(outcome));  // may be the end of us
}

}  // namespace impulse::server
