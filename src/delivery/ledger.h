// Ledger: what became of a delivery attempt, put where it belongs: the spool's
// journal, the main log, the counters, the queue; and a report to the sender
// when a recipient is given up, or where the sender asked to hear (RFC 3461 §4.1,
// RFC 2852 §4). Loop thread.
#pragma once

#include "delivery/backlog.h"
#include "delivery/bounce.h"
#include "delivery/dispatcher.h"
#include "delivery/note_reader.h"
#include "delivery/route.h"
#include "delivery/workers.h"
#include "net/loop.h"
#include "queue/queue.h"

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace impulse::delivery {

// One recipient's outcome of one attempt.
struct Outcome {
  enum class Kind : uint8_t { delivered, transient, permanent };
  Kind kind = Kind::transient;
  std::string response;  // what was said, or what went wrong; one line
  std::string status;    // RFC 3463, for a bounce
  std::string peer;      // where this one went; empty: as the attempt says
  telemetry::Stage stage = telemetry::Stage::unknown;
  uint64_t bytes = 0;           // sent for it
  bool administrative = false;  // permanent: an operator said so
};

// The connection of an attempt, for the logs.
struct Trace {
  uint64_t connection = 0;  // its number; 0: there was none
  telemetry::Stage stage = telemetry::Stage::not_connected;
  uint64_t bytes = 0;
  std::shared_ptr<const telemetry::TlsFacts> tls{};
};

// Where an attempt went, for the logs.
struct Attempt {
  std::string peer;         // host and port, or a Maildir
  std::string local;        // our address
  std::string protocol;     // "ESMTP", "LMTPS", "MAILDIR" …
  std::string remote;       // name of the host that gave the response; empty: it was us
  bool final = false;       // a delivery into a mailbox, not to another host
  bool dsn = false;         // the other host took over what the sender wants to hear
  bool deliver_by = false;  // and the time within which it is to deliver
  uint64_t connection = 0;  // its number; 0: there was none
  std::shared_ptr<const telemetry::TlsFacts> tls{};
  telemetry::NotePtr note{};  // of the message; null: it is read where the logs want it
};

class Ledger {
 public:
  // All borrowed. `settled` is called when something was settled that
  // leaves the queue different: a retry to wait for, nothing left in flight.
  Ledger(Parts& parts, queue::Queue& queue, Backlog& backlog, Workers& workers, std::function<void()> settled);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Outcomes of items of one message; as many of the one as of the other.
  void settle(std::string_view domain, const RoutePtr& route, const std::vector<queue::Item>& items,
              std::vector<Outcome> outcomes, const Attempt& attempt);
  // The same outcome for all.
  void settle_all(std::string_view domain, const RoutePtr& route, const std::vector<queue::Item>& items,
                  const Outcome& outcome, const Attempt& attempt);
  // Before an attempt: takes from `items` those that have been tried and are too
  // old by now, or whose sender's deadline has passed and wants them back, and
  // gives them up. Tells the sender of the others whose deadline has passed.
  void drop_expired(std::string_view domain, const RoutePtr& route, std::vector<queue::Item>& items);
  // They are dropped (Blackhole): recorded and logged as delivered, and nobody is
  // told. Of any messages. `durable` is called on the spool's thread when the last
  // of the outcomes is, or is refused.
  void drop(std::string_view domain, const std::vector<queue::Item>& items, std::function<void(Result<>)> durable);
  // An operator has sent it from one queue to another; they are the names of queues.
  void rebound(std::string_view from, const queue::Item& item, std::string_view to);
  // Nothing was tried: back to the queue as they were.
  void put_back(std::string_view domain, const std::vector<queue::Item>& items);
  // They are not in the spool (any more): nothing can be done for them.
  void forget(std::string_view domain, const std::vector<queue::Item>& items);
  // Their message cannot be read: not_found: as forget(); invalid: it is damaged,
  // and they are given up; anything else: another attempt.
  void unreadable(std::string_view domain, const RoutePtr& route, const std::vector<queue::Item>& items,
                  const Error& why);

  // The process ends before what is owed could be told. Deliveries that were made
  // are recorded, so that none is repeated; their reports may be lost. Failures and
  // delays stay untold, and come again with the next attempt.
  void close();

  // Outcomes that wait for what the logs say of their message: in memory, so who makes many waits for them.
  size_t unread_notes() const { return notes_.pending(); }
  // With those.
  size_t pending_reports() const { return pending_ + notes_.pending(); }

 private:
  struct GivenUp;  // one message's recipients on their way to a bounce
  struct Report;
  struct Success;
  struct Delay;
  struct Dropped;

  void delivered(std::string_view domain, const queue::Item& item, const Outcome& outcome, const Attempt& attempt);
  // The same when the journal has it already.
  void done(std::string_view domain, const queue::Item& item, const Outcome& outcome, const Attempt& attempt);
  void retry(std::string_view domain, queue::Item item, Duration wait, const Outcome& outcome, const Attempt& attempt);
  // An attempt failed that will be repeated.
  // With what the logs say of the message, when that is read.
  void tell(telemetry::Record told, MessageId id);
  void tell_transient(std::string_view domain, const queue::Item& item, const Outcome& outcome, const Attempt& attempt);
  void drop_now(Dropped& dropped);
  void give_up(GivenUp given_up);
  void give_up_now(std::shared_ptr<GivenUp> given_up);
  void bounce(std::shared_ptr<GivenUp> given_up);
  bool wants(const queue::Item& item, uint8_t what, bool unless_said) const;
  bool tells_success(const queue::Item& item, const Attempt& attempt) const;
  void report_success(const std::shared_ptr<Success>& success);
  void forgo(const std::shared_ptr<Success>& success);
  void success_done(const std::shared_ptr<Success>& success, const Result<MessageId>& stored);
  void report_delay(const std::shared_ptr<Delay>& delay);
  void delay_done(const std::shared_ptr<Delay>& delay, const Result<MessageId>& stored);
  void later(const std::string& what, const Error& why, std::function<void()> again);
  ReportLine line_of(const queue::Item& item, const Outcome& outcome, const Attempt& attempt) const;
  // `done`: it is on stable storage, and so is what it tells; or neither, and why.
  void report(Report report, std::function<void(const Result<MessageId>&)> done);
  spool::Stored remembered(MessageId id, std::string_view domain) const;
  void bounce_done(const std::shared_ptr<GivenUp>& given_up, const Result<MessageId>& stored);
  void count(std::string_view domain, telemetry::Counter counter, int64_t amount = 1);  // for its tenant, too
  void finish(std::string_view domain, const queue::Item& item, queue::End end = queue::End::other);
  telemetry::Record record(telemetry::Record::Kind kind, std::string_view domain, const queue::Item& item,
                           const Outcome& outcome, const Attempt& attempt) const;
  Duration backoff(const Route& route, uint32_t attempts);

  Parts& parts_;
  queue::Queue& queue_;
  Backlog& backlog_;
  Workers& workers_;
  std::function<void()> settled_;
  NoteReader notes_;
  std::minstd_rand random_{std::random_device{}()};
  size_t pending_ = 0;  // reports that are not stored yet
  // Reports that could not be stored wait here, with their recipients in flight.
  std::vector<std::function<void()>> owed_;
  std::unordered_set<std::shared_ptr<Success>> successes_;  // whose reports are not stored yet
  bool closed_ = false;
  uint32_t refusals_ = 0;  // in a row
  net::Timer timer_;
  uint64_t serial_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace impulse::delivery
