#include "delivery/failures.h"

#include "base/clock.h"
#include "delivery/dispatcher.h"
#include "queue/queue.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace impulse::delivery {
namespace {

// Messages failed in one go, before the loop does other things.
constexpr size_t slice = 200;
constexpr size_t most_unread = 2000;  // outcomes in memory, whose messages are read for the logs
constexpr Duration reading_pause = std::chrono::milliseconds(2);

}  // namespace

Failures::Failures(Office& office) : office_(office), reading_(office.parts.loop, [this] { run(); }) {}

void Failures::add(const std::string& domain, Outcome outcome, Attempt attempt) {
  if (office_.stopping) return;
  failing_.insert_or_assign(domain, Failing{std::move(outcome), std::move(attempt)});
  later();
}

void Failures::stop() {
  failing_.clear();
  reading_.stop();
}

void Failures::later() {
  if (posted_ || reading_.running()) return;
  posted_ = true;
  office_.parts.loop.post([this, weak = std::weak_ptr(alive_)] {
    if (weak.expired()) return;
    posted_ = false;
    run();
  });
}

void Failures::run() {
  for (size_t count = 0; count < slice && !failing_.empty(); ++count) {
    if (office_.ledger.unread_notes() >= most_unread) return reading_.start(reading_pause);
    // In turn, so that a long queue does not keep others from being tried again.
    auto first = failing_.upper_bound(last_);
    if (first == failing_.end()) first = failing_.begin();
    last_ = first->first;
    auto items = office_.queue.take_message(first->first, SIZE_MAX);
    if (items.empty()) {
      failing_.erase(first);
      continue;
    }
    office_.ledger.settle_all(first->first, office_.route(first->first), items, first->second.outcome,
                              first->second.attempt);
  }
  if (!failing_.empty()) later();
}

}  // namespace impulse::delivery
