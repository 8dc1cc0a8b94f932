// What an operator may order about mail that waits, and what became of it.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "base/pattern.h"
#include "base/result.h"
#include "queue/queue.h"
#include "spool/content_filter.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace impulse::delivery {

// One waiting recipient, for listings.
struct Waiting {
  MessageId id;
  std::string sender;
  std::string recipient;
  std::string domain;  // the queue's name, a tenant's with the tenant (queue/name.h)
  uint32_t attempts = 0;
  WallTime received{};
  WallTime next_attempt{};  // queue::on_hold: when it is released
  std::string last_error;
  uint64_t size = 0;
  queue::Place place = queue::Place::active;
};

enum class Act : uint8_t {
  retry,    // what is delayed is due now; not what is held
  fail,     // given up, with a report to the sender
  hold,     // waits until it is released
  release,  // what is on hold is due now
  delay,    // what is due waits for a while; not what waits already
  reroute,  // from one queue to another; it goes where that queue's mail goes
  rebind,   // from one Binding to another
};

// About one message. Which of its recipients are pending, and by which Binding they
// go, the caller knows from the spool.
struct MessageOrder {
  Act act = Act::retry;  // no delay, no reroute, no rebind
  MessageId id;
  std::vector<std::pair<uint32_t, std::string>> recipients;  // number, and the queue that it belongs to
  bool quiet = false;                                        // fail: no report
  std::string response;                                      // fail: what the logs and the report say
};

// Recipients.
struct Acted {
  uint64_t done = 0;
  uint64_t in_flight = 0;  // being delivered: left alone
  uint64_t left = 0;       // in a state in which this does not apply: held by its sender or by us, or not held
  uint64_t missing = 0;    // not in the queue
};

// About all of a queue that fits.
struct QueueOrder {
  Act act = Act::retry;
  std::string queue;  // its name; empty: all of them (not with reroute)
  // Then: only those of that Binding; empty: of any.
  std::string binding{};
  bool every_binding = false;  // `queue` stands for all of its domain, by whatever Binding
  std::optional<Pattern> sender;
  std::optional<Pattern> recipient;
  Duration age{0};  // received at least so long ago
  bool dry_run = false;
  bool quiet = false;
  std::string response;
  // reroute: a queue of the same tenant and Binding, and another one; rebind: a Binding,
  // or empty: the one that the configuration would give it now.
  std::string to;
  // Of which messages. Unless it is empty they are read; and when `act` is rebind, and `to` empty.
  spool::ContentFilter content{};
  Duration delay{0};  // delay: for so long from now on
};

struct Progress {
  uint64_t looked_at = 0;        // recipients, some of them more than once
  Acted acted;                   // of a dry run: what would be; `missing` stays 0
  std::vector<Waiting> first;    // of a dry run: the first that it would be done to
  bool ended = false;            // and what was journalled for it is durable
  std::optional<Error> unsaved;  // some of it is not, and why: it holds until the daemon ends
  // Recipients of messages that would have to be read, and cannot: left alone. Why, of the first.
  uint64_t unreadable = 0;
  std::string why_unreadable{};

  static constexpr size_t most_shown = 25;
};

// What an order has written into the journal, until all of it is durable. Any thread.
class Journalled {
 public:
  // `all`, if given, is called once: when finish() was, and nothing is on its
  // way any more; with the first failure, if there was one.
  explicit Journalled(std::function<void(Result<>)> all = nullptr) : all_(std::move(all)) {}

  // For one record: to be called when it is durable, or is not.
  static std::function<void(Result<>)> one(const std::shared_ptr<Journalled>& journalled) {
    journalled->waiting_.fetch_add(1);
    return [journalled](Result<> done) {
      if (!done) journalled->fail(std::move(done.error()));
      journalled->finish();
    };
  }
  void finish() {
    if (waiting_.fetch_sub(1) == 1 && all_) {
      const auto why = failed();
      all_(why ? Result<>(std::unexpected(*why)) : Result<>());
    }
  }
  bool durable() const { return waiting_.load() == 0; }
  std::optional<Error> failed() const {
    const std::lock_guard lock(mutex_);
    return failed_;
  }

 private:
  void fail(Error why) {
    const std::lock_guard lock(mutex_);
    if (!failed_) failed_ = std::move(why);
  }

  std::atomic<uint64_t> waiting_{1};  // … and finish()
  std::function<void(Result<>)> all_;
  mutable std::mutex mutex_;
  std::optional<Error> failed_;
};

// An order about a queue, under way. It ends where it is when the last owner
// lets go of it. Any thread.
class Errand {
 public:
  Progress progress() const {
    const std::lock_guard lock(mutex_);
    Progress now = progress_;
    now.ended = now.ended && journalled_->durable();
    now.unsaved = journalled_->failed();
    return now;
  }
  // Ended: nothing is journalled any more.
  void set(const Progress& progress) {
    const std::lock_guard lock(mutex_);
    if (progress.ended && !progress_.ended) journalled_->finish();
    progress_ = progress;
  }
  const std::shared_ptr<Journalled>& journalled() const { return journalled_; }

 private:
  std::shared_ptr<Journalled> journalled_ = std::make_shared<Journalled>();
  mutable std::mutex mutex_;
  Progress progress_;
};

}  // namespace impulse::delivery
