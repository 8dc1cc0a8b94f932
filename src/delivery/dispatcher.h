// Dispatcher: takes what the queue has ready, routes it, runs the couriers,
// and turns their outcomes into journal records, log lines, retries and DSNs.
// Lives on one loop (the delivery loop); only enqueue() and the functions
// marked so may be called from elsewhere.
#pragma once

#include "base/endpoint.h"
#include "base/id.h"
#include "config/snapshot.h"
#include "net/loop.h"
#include "queue/queue.h"
#include "spool/spool.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"
#include "telemetry/mainlog.h"
#include "telemetry/smtp_trace.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::delivery {

// One waiting recipient, for `mailq` and `message details`.
struct Waiting {
  MessageId id;
  std::string sender;
  std::string recipient;
  std::string domain;  // the queue's name, a tenant's with the tenant (queue/name.h)
  uint32_t attempts = 0;
  WallTime received{};
  WallTime next_attempt{};
  std::string last_error;
  uint64_t size = 0;
  bool in_flight = false;
};

// One connection to a next host, for `count outbound`.
struct Outbound {
  Endpoint peer;
  std::string binding;
};

struct Parts {  // all borrowed, outliving the Dispatcher
  net::Loop& loop;
  spool::Spool& spool;
  telemetry::Mainlog& mainlog;
  telemetry::Log& log;
  telemetry::Counters& counters;
  std::function<config::SnapshotPtr()> snapshot;  // the current one; any thread
  // Hands a DSN in by the front door; the Dispatcher does not forget the
  // bounced recipient before `done` said that the DSN is durable.
  std::function<void(spool::Incoming, std::function<void(Result<MessageId>)> done)> inject;
  telemetry::SmtpTracers* tracers = nullptr;  // null: there are none
};

class Dispatcher {
 public:
  static std::unique_ptr<Dispatcher> create(Parts parts);
  virtual ~Dispatcher() = default;

  // Any thread: recipients of a durable message. `states` may be empty (all pending).
  virtual void enqueue(MessageId id, std::shared_ptr<const message::Envelope> envelope, uint64_t size,
                       std::vector<spool::RecipientState> states) = 0;
  // Loop thread: deliveries begin (after recovery) / no new ones begin; `idle`
  // is called when those in flight have ended, at the latest after `patience`.
  virtual void start() = 0;
  virtual void stop(Duration patience, std::function<void()> idle) = 0;
  // Loop thread: the configuration changed. Domains that go another way now,
  // or may go again (Gateway, Delivery_Method, Suspend_Delivery …), have what
  // is delayed for them tried at once.
  virtual void reconfigured() = 0;

  // Loop thread.
  virtual std::vector<queue::DomainStatus> domains() const = 0;
  // `domain` by the queue's name; "" is all of them.
  virtual std::vector<Waiting> waiting(std::string_view domain, size_t limit) const = 0;
  virtual uint64_t size() const = 0;
  virtual std::vector<Outbound> connections() const = 0;  // established ones
};

}  // namespace impulse::delivery
