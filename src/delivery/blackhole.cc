// Drops mail as fast as the journal takes it.
#include "delivery/blackhole.h"

#include <utility>
#include <vector>

namespace impulse::delivery {

namespace {

constexpr Duration slice = std::chrono::milliseconds(1);  // then others have the loop
constexpr size_t turn = 100;                              // recipients of a domain, before the next one's turn
constexpr size_t most_unwritten = 20000;                  // bounds what waits for the spool, which may be slow or sick

}  // namespace

void Blackhole::want(const std::string& domain) {
  if (wanted_.insert(domain).second) wanting_.push_back(domain);
  later();
}

void Blackhole::stop() {
  wanting_.clear();
  wanted_.clear();
}

void Blackhole::later() {
  if (posted_ || wanting_.empty() || unwritten_ >= most_unwritten) return;
  posted_ = true;
  office_.parts.loop.post([this, weak = std::weak_ptr(alive_)] {
    if (weak.expired()) return;
    posted_ = false;
    drop_some();
  });
}

void Blackhole::drop_some() {
  const SteadyTime end = steady_now() + slice;
  while (!office_.stopping && !wanting_.empty() && unwritten_ < most_unwritten && steady_now() < end) {
    const std::string domain = std::move(wanting_.front());
    wanting_.pop_front();
    unwritten_ += drop(domain);
  }
  later();
}

// How many recipients.
size_t Blackhole::drop(const std::string& domain) {
  const RoutePtr route = office_.route(domain);
  if (route->method != Route::Method::blackhole || route->suspended) {
    wanted_.erase(domain);
    office_.look_again(domain);
    return 0;
  }
  const std::vector<queue::Item> items = office_.queue.take(domain, turn);
  if (office_.queue.active(domain) > 0)
    wanting_.push_back(domain);
  else
    wanted_.erase(domain);
  if (items.empty()) return 0;
  office_.ledger.drop(domain, items,
                      [this, weak = std::weak_ptr(alive_), &loop = office_.parts.loop, count = items.size()](Result<>) {
                        loop.post([this, weak, count] {
                          if (weak.expired()) return;
                          unwritten_ -= count;
                          later();
                        });
                      });
  return items.size();
}

}  // namespace impulse::delivery
