// What waiting recipients cost in memory: queue, backlog and the spool's index,
// filled with as many as the arguments say, in what malloc has in use, by
// part, and in what it has of the system; the longest that one message took to come in, and to leave; and what is left
// when all have gone. Arguments: messages (1000000), domains (1000), distinct senders: 0 or 1 (1).
#include "delivery/backlog.h"
#include "queue/queue.h"
#include "spool/index.h"

#include <malloc.h>
#include <time.h>

#include <fmt/format.h>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace impulse;

namespace {

size_t in_use() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// With what malloc keeps for later, or cannot use.
size_t taken() {
  const struct mallinfo2 info = mallinfo2();
  return info.arena + info.hblkhd;
}

// The processor's: others on the machine do not count.
Duration spent() {
  struct timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) +
         std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(time.tv_nsec));
}

struct Bench {
  uint32_t messages;
  uint32_t domains;
  bool senders;
  std::vector<std::string> names{};
  std::vector<MessageId> ids{};
  std::unique_ptr<queue::Queue> queue = queue::Queue::create([](const std::string&) {});
  delivery::Backlog backlog{};
  spool::Index index{};
  WallTime now = wall_now();

  // Runs do(number) for each message, and tells what it took.
  template <class Do>
  void each(const char* what, Do work) {
    const size_t before = in_use();
    const Duration began = spent();
    Duration longest{0};
    for (uint32_t number = 0; number < messages; ++number) {
      const Duration from = spent();
      work(number);
      longest = std::max(longest, spent() - from);
    }
    const std::chrono::duration<double> took = spent() - began;
    const auto change = static_cast<double>(static_cast<int64_t>(in_use() - before));
    fmt::print("{:<28} {:8.1f} bytes a message {:8.2f} s, the longest {:6} us\n", what, change / messages, took.count(),
               longest.count());
  }

  message::Envelope envelope(uint32_t number) const {
    message::Envelope made;
    made.sender = senders ? fmt::format("bounce-{}@sender.example", 10000000 + number) : "newsletter@sender.example";
    made.received = now + Duration(int64_t{number} * 50);
    made.recipients.push_back({fmt::format("user{}@{}", 10000000 + number, names[number % domains])});
    return made;
  }

  void run() {
    for (uint32_t number = 0; number < domains; ++number) names.push_back(fmt::format("domain{}.example", number));
    constexpr uint32_t a_segment = 160000;
    for (uint32_t number = 0; number < messages; ++number)
      ids.push_back({1 + number / a_segment, 4096 + number % a_segment * 1640});
    for (uint32_t segment = 1; segment <= ids.back().segment; ++segment) index.add_segment(segment, segment);
    const size_t before = in_use();
    const size_t taken_before = taken();
    each("index",
         [&](uint32_t number) { index.add_messages(ids[number].segment, {{ids[number].offset, 220, 1400, 1}}); });
    each("backlog", [&](uint32_t number) { backlog.add(ids[number], envelope(number), 1400, 1); });
    each("queue",
         [&](uint32_t number) { queue->add(names[number % domains], {ids[number], 0, 0, 0, false, now, {}}, now); });
    const auto all = [&](const char* what) {
      fmt::print("{:<28} {:8.1f} bytes a message, {:8.1f} of the system\n", what,
                 static_cast<double>(in_use() - before) / messages,
                 static_cast<double>(static_cast<int64_t>(taken() - taken_before)) / messages);
    };
    all("= all, not tried");
    std::mt19937 random(1);
    each("each was tried", [&](uint32_t number) {
      const std::string& name = names[number % domains];
      for (queue::Item item : queue->take(name, 1)) {
        item.attempts = 1;
        item.next_attempt = now + std::chrono::minutes(20) + Duration(random() % 120000000);
        index.apply({item.id, 0, {spool::State::pending, 1, item.next_attempt, "451 4.4.1 no answer from " + name}});
        queue->retry(name, item, now);
      }
    });
    all("= all, tried");
    for (const std::string& name : names) queue->flush(name);
    uint32_t left = messages;
    each("all gone", [&](uint32_t number) {
      const std::string& name = names[number % domains];
      for (const queue::Item& item : queue->take(name, 1)) {
        (void)backlog.find(item.id)->sender();
        queue->finish(name, item);
        backlog.done(item.id, item.recipient);
        index.apply({item.id, item.recipient, {spool::State::delivered, 2, {}, {}}});
        --left;
      }
    });
    all(fmt::format("= {} left", left).c_str());
  }
};

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int number, uint32_t otherwise) {
    return argc > number ? static_cast<uint32_t>(std::strtoul(argv[number], nullptr, 10)) : otherwise;
  };
  Bench{std::max(argument(1, 1000000), 1U), std::max(argument(2, 1000), 1U), argument(3, 1) != 0}.run();
  return 0;
}
