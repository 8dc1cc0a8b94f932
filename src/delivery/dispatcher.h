// Dispatcher: takes what the queue has ready, routes it, runs the couriers,
// and turns their outcomes into journal records, log lines, retries and DSNs.
// Lives on one loop (the delivery loop); only enqueue() and the functions
// marked so may be called from elsewhere.
#pragma once

#include "base/endpoint.h"
#include "base/id.h"
#include "config/snapshot.h"
#include "delivery/errand.h"
#include "delivery/route_view.h"
#include "delivery/throttles.h"
#include "dns/resolver.h"
#include "net/loop.h"
#include "queue/queue.h"
#include "spool/spool.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"
#include "telemetry/mail_logs.h"
#include "telemetry/smtp_trace.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::delivery {

// One connection to a next host, for `show outbound`.
struct Outbound {
  enum class State : uint8_t { connecting, resting, fetching, sending };
  Endpoint peer;
  std::string binding;
  std::string host{};    // as the route names it
  std::string domain{};  // whose mail it carries now, by the queue's name; empty: nobody's
  State state = State::resting;
  int fd = -1;
  bool tls = false;
  uint64_t jobs = 0;  // transactions done
};

struct Parts {  // all borrowed, outliving the Dispatcher
  net::Loop& loop;
  spool::Spool& spool;
  telemetry::MailLogs& mainlog;
  telemetry::Log& log;
  telemetry::Counters& counters;
  std::function<config::SnapshotPtr()> snapshot;  // the current one; any thread
  // Hands a DSN in by the front door; the Dispatcher does not forget the
  // bounced recipient before `done` said that the DSN is durable.
  std::function<void(spool::Incoming, std::function<void(Result<MessageId>)> done)> inject;
  telemetry::SmtpTracers* tracers = nullptr;  // null: there are none
};

class Carriage;
struct CarryOrder;

class Dispatcher {
 public:
  static std::unique_ptr<Dispatcher> create(Parts parts);
  virtual ~Dispatcher() = default;

  // Any thread: recipients of a durable message. `states` may be empty (all pending).
  virtual void enqueue(MessageId id, std::shared_ptr<const message::Envelope> envelope, uint64_t size,
                       std::vector<spool::RecipientState> states) = 0;
  // Any thread: messages that a start found. `done`, on the loop, when they are in the queue; not after the end.
  virtual void enqueue_all(std::vector<spool::Summary> messages, std::function<void()> done) = 0;
  // Loop thread: deliveries begin / no new ones begin; `idle`
  // is called when those in flight have ended, at the latest after `patience`.
  virtual void start() = 0;
  virtual void stop(Duration patience, std::function<void()> idle) = 0;
  // Loop thread: the configuration changed. Domains that go another way now,
  // or may go again (Gateway, Delivery_Method, Suspend_Delivery …), have what
  // is delayed for them tried at once.
  virtual void reconfigured() = 0;

  // Loop thread.
  // Domains as queue::Queue::walk() gives them, by the queues' names.
  virtual std::vector<queue::DomainStatus> domains(std::string_view after, size_t count) const = 0;
  virtual std::optional<queue::DomainStatus> domain(std::string_view name) const = 0;
  virtual queue::Totals totals() const = 0;
  // Up to `count` of those that wait there, as queue::Queue::scan() tells them.
  virtual std::vector<Waiting> waiting(std::string_view domain, queue::Queue::Scan& scan, size_t count) const = 0;
  virtual uint64_t size() const = 0;
  // What keeps its active mail, when it is a throttle.
  virtual std::optional<Throttled> throttled(std::string_view domain) = 0;
  // The same in one go, for what is known to be short; of "" those of all domains.
  std::vector<queue::DomainStatus> domains() const { return domains({}, SIZE_MAX); }
  std::vector<Waiting> waiting(std::string_view domain, size_t limit) const;
  virtual std::vector<Outbound> connections() const = 0;

  // Where mail of a domain goes, as a queue's name without a tenant, by its Binding
  // (route_view.h); nothing is looked up for it. Loop thread.
  virtual RouteView route_view(std::string_view domain) = 0;
  // Looks that up anew, whatever is remembered; "" everything that is. How many
  // domains those were. Loop thread.
  virtual size_t refresh_route(const std::string& domain) = 0;
  virtual dns::Resolver& resolver() = 0;  // for the same thread

  // Orders of the operator (errand.h). Loop thread; an Errand may be looked at,
  // and let go of, on any.
  // `durable`, if given, is called once, on any thread: when what was held or
  // released is journalled for good, or with why it is not.
  virtual Acted act(const MessageOrder& order, std::function<void(Result<>)> durable) = 0;
  Acted act(const MessageOrder& order) { return act(order, nullptr); }
  virtual std::shared_ptr<const Errand> begin(QueueOrder order) = 0;
  // Messages that wait into a folder (porter.h).
  virtual std::shared_ptr<Carriage> carry(CarryOrder order) = 0;
  // A message of the spool into the queue, if it is not there. `done` is called on
  // the loop, once: true, or false when it was there; not_found: it is not in the
  // spool, or finished; anything else: it cannot be read.
  virtual void spool_in(MessageId id, std::function<void(Result<bool>)> done) = 0;
  // Nothing is tried for a queue that is suspended, beside what the configuration
  // says. Until the process ends. False: that is how it was. "%b1", the name of a queue
  // without a domain, is all that goes by that Binding.
  virtual bool suspend(std::string_view queue, bool on) = 0;
  virtual std::vector<std::string> suspended() const = 0;
};

}  // namespace impulse::delivery
