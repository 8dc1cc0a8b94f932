// BatchFeeder: hands messages to the injector as one batch: a few at a time, as
// there is room, so that its loop serves others meanwhile; and commits it.
#pragma once

#include "base/id.h"
#include "base/result.h"
#include "inject/injector.h"
#include "net/loop.h"
#include "spool/spool.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace impulse::server {

// On one loop. Destroyed before its commit began nothing is queued, and `done`
// goes uncalled; behind that the spool goes on.
class BatchFeeder {
 public:
  // The next message; nothing: that was the last. An error refuses all.
  using Next = std::function<Result<std::optional<spool::Incoming>>()>;
  // Called once, from the loop, never from within start(); also when the feeder
  // is gone by then, if it was committing. What it holds is let go of when
  // nothing can come of the batch any more.
  using Done = std::function<void(Result<std::vector<MessageId>>)>;

  BatchFeeder(inject::Injector& injector, net::Loop& loop, inject::Source source, Next next,
              std::optional<spool::Receipt> receipt, Done done);
  ~BatchFeeder();
  BatchFeeder(const BatchFeeder&) = delete;
  BatchFeeder& operator=(const BatchFeeder&) = delete;

  // Instead of a receipt that is there from the beginning: one that tells the ids
  // which the messages will have. Asked for once, when all of them are written.
  using MakeReceipt = std::function<spool::Receipt(std::span<const MessageId>)>;
  void make_receipt(MakeReceipt make) { make_receipt_ = std::move(make); }

  // A queue that is too full delays the batch; else it refuses it.
  void wait_while_busy() { waits_ = true; }

  void start();
  bool committing() const { return committing_; }

 private:
  void go_on();
  void commit();
  Result<bool> feed();  // false: that was the last
  void fail_with(Error error);

  inject::Injector& injector_;
  net::Loop& loop_;
  const inject::Source source_;
  Next next_;
  std::optional<spool::Receipt> receipt_;
  MakeReceipt make_receipt_;
  Done done_;
  std::unique_ptr<inject::Batch> batch_;
  uint64_t bytes_ = 0;  // of the messages so far
  bool waits_ = false;
  std::unique_ptr<net::Timer> again_;  // null: nothing had to wait
  bool committing_ = false;
  bool woken_ = false;                  // the batch has room, or has failed
  std::shared_ptr<BatchFeeder*> self_;  // null inside once it is gone
};

}  // namespace impulse::server
