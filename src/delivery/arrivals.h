// Arrivals: messages on their way into the queue: those that were just accepted,
// those that a start found, and those that an operator calls in. Loop thread, but
// where it is marked.
#pragma once

#include "base/id.h"
#include "base/result.h"
#include "delivery/office.h"
#include "message/envelope.h"
#include "spool/spool.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace impulse::delivery {

class Arrivals {
 public:
  // `settled` is called when there is something to wait for that may come before
  // all that is waited for now.
  Arrivals(Office& office, std::function<void()> settled);
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;

  // Those of its recipients that are pending; `states` may be empty (all of them).
  void add(MessageId id, const message::Envelope& envelope, uint64_t size,
           const std::vector<spool::RecipientState>& states);
  // Any thread: some at a time. `done`, on the loop, when all are in the queue; not after the end.
  void add_all(std::vector<spool::Summary> messages, std::function<void()> done);
  // As Dispatcher::spool_in().
  void spool_in(MessageId id, std::function<void(Result<bool>)> done);

  MessageId newest() const { return newest_; }  // of all that was added

 private:
  struct Found {
    std::vector<spool::Summary> messages;
    std::function<void()> done;
    size_t added = 0;
  };

  void add_some(const std::shared_ptr<Found>& found);
  // Whether it is one that a start found, and that has not had its turn yet.
  bool comes(MessageId id) const;
  void add_even(MessageId id, const message::Envelope& envelope, uint64_t size,
                const std::vector<spool::RecipientState>& states, WallTime now);

  Office& office_;
  const std::function<void()> settled_;
  MessageId newest_;
  std::vector<std::shared_ptr<Found>> coming_;  // few: who finds waits for them
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace impulse::delivery
