// Inside the Clerk: an order as it is carried out, and what is read for it.
#pragma once

#include "delivery/clerk.h"
#include "queue/binding.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace impulse::delivery {

// What a message says of whether it is meant.
enum class Clerk::Content : uint8_t { fits, other, unreadable };

struct Clerk::Found {
  Content content = Content::other;
  std::string binding{};  // the one that the configuration would give it, where that was asked
};

struct Clerk::Work {
  std::weak_ptr<Errand> errand;
  QueueOrder order;
  MessageId newest;
  WallTime before{};  // received then at the latest
  Progress progress{};
  std::string queue{};  // empty: the next one is to be found
  queue::Queue::Scan scan{};
  std::string last{};  // queue that was looked through
  int passes = 0;
  uint64_t done_before = 0;       // when this pass began
  bool again = false;             // something had another place by the time that it was its turn
  std::shared_ptr<Errand> own{};  // of one that nobody waits for
  bool wakes = false;             // looks at queues, and does nothing else
  queue::GroupTurns turns{};
  // Of a flush: those of the queue that it is about, and how many of them had their turn.
  std::vector<queue::Item> meant{};
  size_t flushed = 0;
  // What was read already: other pages, and later passes, meet the same messages. Not all of them
  // where there are very many: the others are read again.
  std::unordered_map<MessageId, Content> known{};

  static constexpr size_t most_known = 1'000'000;  // some 40 bytes each

  bool by_configuration() const { return order.act == Act::rebind && order.to.empty(); }
  bool reads() const { return !order.content.empty() || by_configuration(); }
};

}  // namespace impulse::delivery
