// HttpInjection: one request for injection under way: a job's messages made a
// few at a time, so that its loop serves others meanwhile, and committed as one.
#pragma once

#include "api/job.h"
#include "base/id.h"
#include "base/result.h"
#include "inject/injector.h"
#include "net/loop.h"
#include "server/admission.h"
#include "server/batch_feeder.h"
#include "server/http_desk.h"
#include "spool/spool.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

namespace impulse::server {

// On its session's loop. Destroyed before its commit began nothing is queued;
// behind that the spool goes on, and nobody is told.
class HttpInjection {
 public:
  // Durable: their ids in order. Or why nothing was queued.
  using Outcome = std::variant<std::vector<MessageId>, api::Error, Error>;

  // What is let go when nothing can come of the request any more: by the commit,
  // which may end behind the injection.
  struct Held {
    std::shared_ptr<const HttpDesk::Claim> claim;  // null: there is no Idempotency-Key
    std::shared_ptr<Admission::Ticket> ticket;     // null: nobody counts; accepted with the messages
  };

  // Asked of each message before it is taken; an error refuses all.
  using Check = std::function<std::optional<api::Error>(const spool::Incoming& message)>;
  // What the spool is to remember of the request with its messages: asked for
  // when their ids are known, right before the commit. Null: nothing.
  using MakeReceipt = BatchFeeder::MakeReceipt;
  // `done` is called once, from the loop, unless the injection goes before; it
  // may destroy it. `session`: its number, for the log.
  HttpInjection(inject::Injector& injector, net::Loop& loop, std::unique_ptr<api::Job> job, Check check,
                MakeReceipt receipt, Held held, std::function<void(Outcome)> done, uint64_t session = 0);
  ~HttpInjection();
  HttpInjection(const HttpInjection&) = delete;
  HttpInjection& operator=(const HttpInjection&) = delete;

  void start();
  bool committing() const { return committing_ || (feeder_ != nullptr && feeder_->committing()); }
  const api::Job& job() const { return *job_; }

 private:
  void one();
  Result<std::optional<spool::Incoming>> next();
  void ended(Result<std::vector<MessageId>> ids);
  void finish(Outcome outcome);

  inject::Injector& injector_;
  net::Loop& loop_;
  const uint64_t session_;
  std::unique_ptr<api::Job> job_;
  Check check_;
  MakeReceipt receipt_;
  Held held_;
  std::function<void(Outcome)> done_;
  std::unique_ptr<BatchFeeder> feeder_;
  size_t next_ = 0;
  std::optional<api::Error> refused_;     // why there is no next one
  bool committing_ = false;               // without a batch
  std::shared_ptr<HttpInjection*> self_;  // null inside once it is gone
};

}  // namespace impulse::server
