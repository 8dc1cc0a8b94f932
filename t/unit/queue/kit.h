// What the tests of queue/ share: a queue, and items to put into it.
#pragma once

#include "queue/queue.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace impulse::queue {

constexpr WallTime start{std::chrono::sys_days(std::chrono::year{2026} / 3 / 1)};

// With a time, it was tried before.
inline Item item(uint32_t offset, uint32_t recipient = 0, WallTime next = WallTime{}) {
  return {{1, offset}, recipient, static_cast<uint16_t>(next == WallTime{} ? 0 : 1), 0, false, start, next};
}
// Its sender holds it until then.
inline Item future(uint32_t offset, WallTime until) { return {{1, offset}, 0, 0, 0, true, until, until}; }

class QueueFixture : public CppUnit::TestFixture {
 protected:
  std::optional<WallTime> advance(WallTime now) { return queue_->advance(now, now); }

  std::vector<std::string> ready_;  // domains, as they became so
  std::unique_ptr<Queue> queue_ = Queue::create([this](const std::string& domain) { ready_.push_back(domain); });
};

}  // namespace impulse::queue
