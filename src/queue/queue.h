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
  uint32_t recipient = 0;   // index in the envelope
  uint16_t attempts = 0;    // delivery attempts that ended in a transient failure; it stops at the greatest
  int8_t priority = 0;      // of the message, -9 to 9 (RFC 6710): the higher goes first
  WallTime received{};      // for expiry
  WallTime next_attempt{};  // <= now: active; later, and no attempts: held (RFC 4865), flush() leaves it alone
};

struct DomainStatus {
  std::string domain;
  uint64_t active = 0;                   // ready to be tried
  uint64_t delayed = 0;                  // waiting for next_attempt
  uint64_t in_flight = 0;                // taken, no outcome yet
  std::optional<WallTime> next_attempt;  // earliest delayed
};

// What is called a domain here is a queue's name, by queue/name.h: where it is a
// tenant's it has the tenant before it, and is another domain as far as this
// goes. Domains are matched without case. Every operation costs O(log n); an item
// costs its own 32 bytes (up to 64 while its block grows). Age is the order of
// message ids, never a clock. A clock that is set back does not lengthen a
// wait: what is left of it is kept. One that is set forward makes what it
// passes due.
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
  // For items in flight; others are left alone.
  virtual void finish(std::string_view domain, const Item& item) = 0;
  virtual void retry(std::string_view domain, Item item, WallTime now) = 0;
  // Moves what is due from delayed to active. Returns the next time at which
  // something will be due.
  virtual std::optional<WallTime> advance(WallTime now) = 0;

  // Makes everything delayed of a domain due now, but for what is held; how many there were.
  virtual size_t flush(std::string_view domain) = 0;

  // Fair: those from which nothing was taken for longest come first.
  virtual std::vector<std::string> active_domains() const = 0;
  virtual uint64_t active(std::string_view domain) const = 0;  // how many
  // All domains, some at a time: appends about `count` names to `names`; false:
  // those were the last. Begins with an empty Walk. What comes or goes between
  // two calls may be left out; all else is told, some of it twice.
  struct Walk {
    size_t place = 0;
    size_t places = 0;
  };
  virtual bool walk(Walk& walk, size_t count, std::vector<std::string>& names) const = 0;
  virtual std::vector<DomainStatus> status() const = 0;                             // sorted by domain
  virtual std::vector<Item> list(std::string_view domain, size_t limit) const = 0;  // in flight, active, delayed
  virtual uint64_t size() const = 0;
};

// When to try again after `attempts` failures: first `base`, doubling, at most
// `max`; up to 10 % of that, taken from `random` (0..1), come on top, so that
// those who failed together do not come back together. Never negative.
Duration backoff(uint32_t attempts, Duration base, Duration max, double random);

}  // namespace impulse::queue
