// HttpInjection: one request for injection under way: a job's messages made a
// few at a time, so that its loop serves others meanwhile, and committed as one.
#pragma once

#include "api/job.h"
#include "base/id.h"
#include "base/result.h"
#include "inject/injector.h"
#include "net/loop.h"
#include "server/admission.h"
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
  // `done` is called once, from the loop, unless the injection goes before; it
  // may destroy it.
  HttpInjection(inject::Injector& injector, net::Loop& loop, std::unique_ptr<api::Job> job, Check check,
                std::optional<spool::Receipt> receipt, Held held, std::function<void(Outcome)> done);
  ~HttpInjection();
  HttpInjection(const HttpInjection&) = delete;
  HttpInjection& operator=(const HttpInjection&) = delete;

  void start();
  bool committing() const { return committing_; }
  const api::Job& job() const { return *job_; }

 private:
  void go_on();
  void later();
  void one();
  Result<> room(const spool::Incoming& message);
  void commit();
  void finish(Outcome outcome);

  inject::Injector& injector_;
  net::Loop& loop_;
  std::unique_ptr<api::Job> job_;
  Check check_;
  std::optional<spool::Receipt> receipt_;
  Held held_;
  std::function<void(Outcome)> done_;
  std::unique_ptr<inject::Batch> batch_;
  size_t next_ = 0;
  uint64_t bytes_ = 0;  // of the messages so far
  bool woken_ = false;  // the batch has room, or has failed
  bool committing_ = false;
  std::shared_ptr<HttpInjection*> self_;  // null inside once it is gone
};

}  // namespace impulse::server
