// What console commands ask of the queue, and order about it. Queues are called
// by their names (queue/name.h): the domain, of a tenant's mail "tenant/domain", of
// a Binding's "domain%binding".
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/id.h"
#include "base/pattern.h"
#include "base/result.h"
#include "spool/content_filter.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace impulse::control {

struct QueuedRecipient {
  enum class State : uint8_t { active, delayed, held, in_flight };
  std::string id;  // with node
  std::string sender;
  std::string recipient;
  std::string domain;
  uint32_t attempts = 0;
  WallTime received{};
  WallTime next_attempt{};  // the epoch: none (active and untried, or held)
  std::string last_error;
  uint64_t size = 0;
  State state = State::active;
};

// A throttle that keeps a domain's active mail.
struct QueueThrottle {
  std::string option;  // "Outbound_Throttle_Messages"
  std::string rate;    // "10/3600"
  std::string scope;   // that sets it: "Domain example.com", "global"
  Duration wait{0};    // until the next one may go there
};

struct QueuedDomain {
  std::string domain;
  uint64_t active = 0;
  uint64_t delayed = 0;
  uint64_t in_flight = 0;
  uint64_t held = 0;  // of those delayed, by an operator
  // Outcomes since something waits there without a break.
  uint64_t delivered = 0;
  uint64_t failed = 0;
  std::optional<WallTime> next_attempt{};  // earliest delayed
  // Of one that is asked for by name:
  std::optional<QueueThrottle> throttle{};
  bool suspend_delivery = false;  // the configuration keeps its mail
};

struct QueueTotals {
  uint64_t domains = 0;
  uint64_t active = 0;
  uint64_t delayed = 0;
  uint64_t in_flight = 0;
  uint64_t held = 0;
};

// Reads one queue, some at a time: in flight, active, delayed; what moves
// meanwhile may be left out or told twice.
class QueueReader {
 public:
  virtual ~QueueReader() = default;
  // Up to `count` more; fewer: those were the last.
  virtual std::vector<QueuedRecipient> read(size_t count) = 0;
};

// One outbound connection.
struct OutboundConnection {
  std::string binding;
  Endpoint peer;
  std::string host{};    // as the route names it
  std::string domain{};  // whose mail it carries now; empty: nobody's
  std::string state{};   // "connecting", "resting", "fetching", "sending"
  int fd = -1;
  bool tls = false;
  uint64_t jobs = 0;  // transactions done
  bool established() const { return state != "connecting"; }
};

enum class QueueAct : uint8_t { retry, fail, hold, release, delay, reroute, rebind };

struct MessageOrder {
  QueueAct act = QueueAct::retry;  // no delay, no reroute, no rebind
  MessageId id;
  std::string recipient{};  // its address; empty: all that have no outcome yet
  bool quiet = false;       // fail: without a report to the sender
  std::string response{};   // fail: what the logs and the report say
};

struct QueueOrder {
  QueueAct act = QueueAct::retry;
  std::string queue{};         // empty: all
  std::string binding{};       // only what goes by that one; empty: any
  bool every_binding = false;  // `queue` is a domain, by whatever Binding
  std::optional<Pattern> sender{};
  std::optional<Pattern> recipient{};
  Duration age{0};  // received at least so long ago
  bool dry_run = false;
  bool quiet = false;
  std::string response{};
  // reroute: another queue, of the same tenant and Binding; rebind: a Binding, or empty:
  // the one that the configuration would give it now.
  std::string to{};
  spool::ContentFilter content{};  // unless it is empty messages are read for it
  Duration delay{0};               // delay: what is due waits so long; what waits already does not wait longer
};

// Recipients, by what became of them.
struct QueueActed {
  uint64_t done = 0;
  uint64_t in_flight = 0;          // being delivered: left alone
  uint64_t left = 0;               // the order does not apply to their state
  uint64_t missing = 0;            // gone from the queue
  std::optional<Error> unsaved{};  // what was held or released is not on the disk: it ends with the daemon
};

struct QueueProgress {
  uint64_t looked_at = 0;
  QueueActed acted;                      // of a dry run: what would be
  std::vector<QueuedRecipient> first{};  // of a dry run: 25 at most
  bool ended = false;
  // Recipients of messages that would have to be read, and cannot: left alone. Why, of the first.
  uint64_t unreadable = 0;
  std::string why_unreadable{};
};

// An order about a queue, under way. Destroyed, it ends where it is.
class QueueErrand {
 public:
  virtual ~QueueErrand() = default;
  virtual QueueProgress progress() = 0;
};

// Something that has to come from elsewhere first, from a disk as a rule.
// Destroyed, nobody waits for it any more.
template <class T>
class Awaited {
 public:
  virtual ~Awaited() = default;
  virtual Result<T>* ready() = 0;  // null: not yet
};

// Messages that wait, into a folder as pairs of files (doc/spool-format.md).
struct ExportOrder {
  std::string folder;
  std::string queue{};  // empty: all
  std::optional<Pattern> sender{};
  std::optional<Pattern> recipient{};
  Duration age{0};  // received at least so long ago
  spool::ContentFilter content{};
  bool dry_run = false;
  bool remove = false;  // when they are there for good
};

// … and from a folder.
struct ImportOrder {
  std::string folder;
  bool dry_run = false;  // everything is read, and nothing taken
};

struct CarryProgress {
  uint64_t messages = 0;   // carried; of a dry run: that would be
  uint64_t bytes = 0;      // of these
  uint64_t there = 0;      // out: were in the folder already; in: had been imported already
  uint64_t in_flight = 0;  // out: being delivered, so not removed
  uint64_t gone = 0;       // out: finished meanwhile
  uint64_t removed = 0;
  uint64_t refused = 0;
  struct Refusal {
    std::string place;  // a file, with line and column where they are known; empty: none
    std::string text;
  };
  std::vector<Refusal> refusals{};  // since this was last asked, as many as were kept
  std::optional<Error> failed{};    // it stopped because of that
  bool ended = false;
};

// An export or an import, under way. Destroyed, it ends soon.
class CarryErrand {
 public:
  virtual ~CarryErrand() = default;
  virtual CarryProgress progress() = 0;
};

// A message's text, on its way from the disk.
class MessageText {
 public:
  struct Parts {
    std::string trace;  // header fields of ours, in front
    std::string body;
  };
  virtual ~MessageText() = default;
  virtual const Result<Parts>* ready() = 0;  // null: not yet
};

}  // namespace impulse::control
