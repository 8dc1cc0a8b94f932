// What a waiting recipient costs in memory, in all that is kept of it: queue,
// backlog, and the spool's index. Counted in what is asked of the allocator, and
// what that takes for each block; so it is the same at every run.
#include "config.h"
#include "delivery/backlog.h"
#include "queue/queue.h"
#include "spool/index.h"

#include <malloc.h>

#include <cppunit/extensions/HelperMacros.h>

#include <fmt/format.h>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <vector>

// TSan has allocation functions of its own, and lets nobody replace them.
#ifndef HAVE_TSAN

namespace {

std::atomic<int64_t> in_use{0};

int64_t cost_of(void* block) { return static_cast<int64_t>(malloc_usable_size(block) + sizeof(size_t)); }

void* allocate(size_t size) {
  void* const block = std::malloc(size == 0 ? 1 : size);
  if (block == nullptr) throw std::bad_alloc();
  in_use += cost_of(block);
  return block;
}

void release(void* block) {
  if (block != nullptr) in_use -= cost_of(block);
  std::free(block);
}

}  // namespace

void* operator new(size_t size) { return allocate(size); }
void* operator new[](size_t size) { return allocate(size); }
void operator delete(void* block) noexcept { release(block); }
void operator delete[](void* block) noexcept { release(block); }
void operator delete(void* block, size_t) noexcept { release(block); }
void operator delete[](void* block, size_t) noexcept { release(block); }

using namespace impulse;

namespace {

constexpr uint32_t messages = 30000;
constexpr uint32_t domains = 50;
constexpr int64_t bound = 128;  // bytes a waiting recipient
constexpr int64_t of_the_test = messages * sizeof(MessageId);

// Everything that waits, as the daemon keeps it.
struct Kept {
  std::unique_ptr<queue::Queue> queue = queue::Queue::create([](const std::string&) {});
  delivery::Backlog backlog;
  spool::Index index;
  WallTime now = wall_now();
  std::vector<MessageId> ids = std::vector<MessageId>(messages);  // of the test itself

  static std::string domain_of(uint32_t number) { return fmt::format("domain{}.example", number % domains); }

  void fill(bool one_sender, uint32_t recipients) {
    for (uint32_t segment = 1; segment <= 3; ++segment) index.add_segment(segment, segment);
    for (uint32_t number = 0; number < messages / recipients; ++number) {
      const MessageId id{1 + number * 3 / messages, 4096 + number * 1640};
      message::Envelope envelope;
      envelope.protocol = "ESMTPSA";
      envelope.sender =
          one_sender ? "newsletter@sender.example" : fmt::format("bounce-{}@sender.example", 1000000 + number);
      envelope.received = now + Duration(number * 100);
      for (uint32_t i = 0; i < recipients; ++i) {
        const uint32_t whose = number * recipients + i;
        envelope.recipients.push_back({fmt::format("user{}@{}", 1000000 + whose, domain_of(whose))});
        queue->add(domain_of(whose), {id, i, 0, 0, false, envelope.received, {}}, now);
      }
      backlog.add(id, envelope, 1400, recipients);
      index.add_messages(id.segment, {{id.offset, 220, 1400, recipients}});
      ids[number] = id;
    }
  }

  // Each was tried, and waits for another time.
  void fail_all(bool in_order) {
    std::mt19937 random(1);
    for (uint32_t number = 0; number < domains; ++number) {
      for (queue::Item item : queue->take(domain_of(number), SIZE_MAX)) {
        item.attempts = 1;
        item.next_attempt = now + std::chrono::minutes(20) + Duration(in_order ? 0 : random() % 120000000);
        index.apply({item.id,
                     item.recipient,
                     {spool::State::pending, 1, item.next_attempt, "451 4.4.1 no answer from " + domain_of(number)}});
        queue->retry(domain_of(number), item, now);
      }
    }
  }

  // All but every `one_of`th.
  void finish_all_but(uint32_t one_of) {
    for (uint32_t number = 0; number < ids.size(); ++number) {
      if (number % one_of == 0) continue;
      const auto item = queue->take_item(domain_of(number), {ids[number]});
      if (item) queue->finish(domain_of(number), *item);
      backlog.done(ids[number], 0);
      index.apply({ids[number], 0, {spool::State::delivered, 1, {}, {}}});
    }
  }
};

class MemoryTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MemoryTest);
  CPPUNIT_TEST(newsletters);
  CPPUNIT_TEST(a_sender_each);
  CPPUNIT_TEST(many_recipients);
  CPPUNIT_TEST(all_of_it_comes_back);
  CPPUNIT_TEST_SUITE_END();

  static void bounded(const char* what, int64_t before, uint64_t recipients) {
    const int64_t each = (in_use - before - of_the_test) / static_cast<int64_t>(recipients);
    CPPUNIT_ASSERT_MESSAGE(fmt::format("{}: {} bytes a recipient", what, each), each <= bound);
  }

  static void wait_and_fail(bool one_sender, uint32_t recipients) {
    for (const bool in_order : {true, false}) {
      const int64_t before = in_use;
      Kept kept;
      kept.fill(one_sender, recipients);
      bounded("fresh", before, messages);
      kept.fail_all(in_order);
      bounded("delayed", before, messages);
    }
  }

  void newsletters() { wait_and_fail(true, 1); }
  void a_sender_each() { wait_and_fail(false, 1); }
  void many_recipients() { wait_and_fail(true, 20); }

  void all_of_it_comes_back() {
    const int64_t before = in_use;
    Kept kept;
    kept.fill(false, 1);
    const int64_t all = in_use - before - of_the_test;
    kept.finish_all_but(10);
    CPPUNIT_ASSERT_EQUAL(uint64_t{messages / 10}, kept.queue->size());
    const int64_t left = in_use - before - of_the_test;
    CPPUNIT_ASSERT_MESSAGE(fmt::format("{} bytes left of {}", left, all), left <= all / 4);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MemoryTest);

}  // namespace

#endif
