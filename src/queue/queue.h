// Queue: what is waiting for delivery, by domain; who is next, and when.
// One thread (the delivery loop's). Survives restarts through the spool's
// journal, from which it is refilled.
#pragma once

#include "base/clock.h"
#include "base/id.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::queue {

// One recipient of one message.
struct Item {
  MessageId id;
  uint32_t recipient = 0;  // index in the envelope
  uint16_t attempts = 0;   // delivery attempts that ended in a transient failure; it stops at the greatest
  int8_t priority = 0;     // of the message, -9 to 9 (RFC 6710): the higher goes first
  // Its sender holds it (RFC 4865): until `received`, by the wall clock wherever that is
  // set; next_attempt says no more than whether it is on hold besides. advance() ends it.
  bool future_release = false;
  WallTime received{};      // for expiry
  WallTime next_attempt{};  // <= now: active
};
static_assert(sizeof(Item) == 32);

// The next_attempt of what an operator holds: no clock ever comes so far, and flush() leaves it alone.
inline constexpr WallTime on_hold = WallTime::max();

struct DomainStatus {
  std::string domain;
  uint64_t active = 0;                   // ready to be tried
  uint64_t delayed = 0;                  // waiting for next_attempt
  uint64_t held = 0;                     // of those, on hold
  uint64_t in_flight = 0;                // taken, no outcome yet
  std::optional<WallTime> next_attempt;  // earliest delayed; not of those on hold
  // Outcomes since something waits here without a break.
  uint64_t delivered = 0;
  uint64_t failed = 0;
};

// Of all domains.
struct Totals {
  uint64_t domains = 0;
  uint64_t active = 0;
  uint64_t delayed = 0;
  uint64_t held = 0;
  uint64_t in_flight = 0;
};

enum class Place : uint8_t { in_flight, active, delayed };
struct Listed {
  Item item;
  Place place = Place::active;
};

// What became of an item that leaves the queue.
enum class End : uint8_t { other, delivered, failed };

// What is called a domain here is a queue's name, by queue/name.h: where it is a
// tenant's it has the tenant before it, and is another domain as far as this
// goes. Domains are matched without case. Every operation costs O(log n), but for
// those that say so; an item costs its own 32 bytes (about 37 where many come out
// of order). Age is the order of message ids, never a clock. A clock that is set
// back does not lengthen a wait: what is left of it is kept. One that is set
// forward makes what it passes due. What a sender holds goes by the clock alone.
class Queue {
 public:
  // `ready` is called (on the owning thread, as the last thing in the call)
  // when a domain that had nothing active has something: from add(), retry(),
  // flush() and advance(). It may call the queue again.
  static std::unique_ptr<Queue> create(std::function<void(const std::string& domain)> ready);
  virtual ~Queue() = default;

  // An item (id and recipient) is in the queue once.
  virtual void add(std::string_view domain, Item item, WallTime now) = 0;
  // Up to `count` active items of a domain, by priority, then oldest first; they are in flight
  // until finish() or retry(). Items of the same message come together.
  virtual std::vector<Item> take(std::string_view domain, size_t count) = 0;
  // The same, of the oldest message only: one transaction's worth.
  virtual std::vector<Item> take_message(std::string_view domain, size_t count) = 0;
  // That one, active or delayed, as it is. It is found by its place: nothing when it
  // does not wait there any more as scan() or find() gave it, or the clock was set back since.
  virtual std::optional<Item> take_item(std::string_view domain, const Item& item) = 0;
  // All recipients of a message that are there. Looks at all of the domain: O(n).
  virtual std::vector<Listed> find(std::string_view domain, MessageId id) const = 0;
  // For items in flight; others are left alone.
  virtual void finish(std::string_view domain, const Item& item, End end = End::other) = 0;
  virtual void retry(std::string_view domain, Item item, WallTime now) = 0;
  // Moves what is due from delayed to active, `most` items in one go. Returns
  // the next time at which something will be due: `now` at the latest when
  // there is more already. `even_now` is the same moment by the clock that ages go by:
  // that of what its sender held begins there.
  virtual std::optional<WallTime> advance(WallTime now, WallTime even_now, size_t most = 4096) = 0;

  // Where a reader of a domain is. Begins empty; what comes, goes or changes its
  // place between two calls may be left out, or told twice; all else is told once.
  struct Scan {
    Place place = Place::in_flight;
    std::optional<Item> last;  // as it is inside
    bool ended = false;
    bool future = false;  // of those delayed: it is at what senders hold
  };
  // Appends up to `count` items: in flight, active (in their order), delayed (by time,
  // those that their senders hold behind the others).
  virtual void scan(std::string_view domain, Scan& scan, size_t count, std::vector<Listed>& items) const = 0;

  // Makes what is delayed of a domain due now, but for what is held; how many
  // there were. Looks at up to `count` items, and goes on from there in the next call.
  virtual size_t flush(std::string_view domain, Scan& scan, size_t count) = 0;
  size_t flush(std::string_view domain) {  // all of them: O(n)
    size_t flushed = 0;
    for (Scan scan; !scan.ended;) flushed += flush(domain, scan, 4096);
    return flushed;
  }

  // Fair: those from which nothing was taken for longest come first.
  virtual std::vector<std::string> active_domains() const = 0;
  virtual uint64_t active(std::string_view domain) const = 0;  // how many
  // Domains in the order of their names, without case: appends up to `count`
  // behind `after` ("": from the first on). Fewer: those were the last.
  virtual void walk(std::string_view after, size_t count, std::vector<DomainStatus>& domains) const = 0;
  virtual std::optional<DomainStatus> status(std::string_view domain) const = 0;
  virtual Totals totals() const = 0;
  virtual uint64_t size() const = 0;

  // The same in one go, for what is known to be short.
  std::vector<DomainStatus> status() const {
    std::vector<DomainStatus> all;
    walk({}, SIZE_MAX, all);
    return all;
  }
  std::vector<Item> list(std::string_view domain, size_t limit) const {
    std::vector<Listed> listed;
    Scan all;
    while (!all.ended && listed.size() < limit) scan(domain, all, limit - listed.size(), listed);
    std::vector<Item> items;
    for (const Listed& each : listed) items.push_back(each.item);
    return items;
  }
};

// When to try again after `attempts` failures: first `base`, doubling, at most
// `max`; up to 10 % of that, taken from `random` (0..1), come on top, so that
// those who failed together do not come back together. Never negative.
Duration backoff(uint32_t attempts, Duration base, Duration max, double random);

}  // namespace impulse::queue
