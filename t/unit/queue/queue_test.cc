// The queue's promises one by one: what comes out, in which order, and how often.

#include "kit.h"

#include "queue/name.h"

#include <memory>
#include <string>
#include <vector>

namespace impulse::queue {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class QueueTest : public QueueFixture {
  CPPUNIT_TEST_SUITE(QueueTest);
  CPPUNIT_TEST(oldest_first_whatever_the_order_of_adding);
  CPPUNIT_TEST(a_message_s_recipients_come_together);
  CPPUNIT_TEST(take_message_stops_at_the_message);
  CPPUNIT_TEST(domains_take_turns);
  CPPUNIT_TEST(ready_may_take_and_finish);
  CPPUNIT_TEST(outcomes_of_strangers_change_nothing);
  CPPUNIT_TEST(the_urgent_go_first);
  CPPUNIT_TEST(domains_fold_case);
  CPPUNIT_TEST(a_tenants_queue_is_another);
  CPPUNIT_TEST(a_bindings_queue_is_another);
  CPPUNIT_TEST(many_items_of_many_domains);
  CPPUNIT_TEST(one_item_is_taken_wherever_it_waits);
  CPPUNIT_TEST_SUITE_END();

  void oldest_first_whatever_the_order_of_adding() {
    for (const uint32_t offset : {5, 1, 4, 2, 3}) queue_->add("d", item(offset), start);
    for (uint32_t offset = 1; offset <= 5; ++offset) {
      const auto taken = queue_->take("d", 1);
      CPPUNIT_ASSERT_EQUAL(size_t{1}, taken.size());
      CPPUNIT_ASSERT_EQUAL(offset, taken[0].id.offset);
    }
    CPPUNIT_ASSERT(queue_->take("d", 1).empty());
    CPPUNIT_ASSERT_EQUAL(uint64_t{5}, queue_->status()[0].in_flight);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, ready_.size());
  }

  void a_message_s_recipients_come_together() {
    for (uint32_t recipient = 0; recipient < 3; ++recipient) {
      for (uint32_t offset = 1; offset <= 3; ++offset) queue_->add("d", item(offset, recipient), start);
    }
    const auto taken = queue_->take("d", 9);
    for (uint32_t i = 0; i < 9; ++i) {
      CPPUNIT_ASSERT_EQUAL(1 + i / 3, taken[i].id.offset);
      CPPUNIT_ASSERT_EQUAL(i % 3, taken[i].recipient);
    }
  }

  void take_message_stops_at_the_message() {
    for (uint32_t recipient = 0; recipient < 3; ++recipient) queue_->add("d", item(1, recipient), start);
    queue_->add("d", item(2), start);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, queue_->take_message("d", 2).size());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, queue_->take_message("d", 100).size());
    CPPUNIT_ASSERT_EQUAL(uint32_t{2}, queue_->take_message("d", 100).at(0).id.offset);
    CPPUNIT_ASSERT(queue_->take_message("d", 100).empty());
    CPPUNIT_ASSERT(queue_->take_message("nowhere", 100).empty());
  }

  void domains_take_turns() {
    for (uint32_t i = 0; i < 10; ++i) {
      queue_->add("busy", item(i), start);
      if (i < 2) queue_->add("calm", item(100 + i), start);
    }
    CPPUNIT_ASSERT((std::vector<std::string>{"busy", "calm"}) == queue_->active_domains());
    queue_->take("busy", 1);
    CPPUNIT_ASSERT((std::vector<std::string>{"calm", "busy"}) == queue_->active_domains());
    queue_->take("calm", 1);
    CPPUNIT_ASSERT((std::vector<std::string>{"busy", "calm"}) == queue_->active_domains());
    queue_->take("calm", 1);
    CPPUNIT_ASSERT((std::vector<std::string>{"busy"}) == queue_->active_domains());
  }

  void ready_may_take_and_finish() {
    std::unique_ptr<Queue> queue;
    size_t done = 0;
    queue = Queue::create([&](const std::string& domain) {
      for (const Item& each : queue->take(domain, 10)) {
        queue->finish(domain, each);
        ++done;
      }
    });
    queue->add("d", item(1), start);
    queue->add("d", item(2, 0, start + seconds(5)), start);
    queue->add("e", item(3, 0, start + seconds(5)), start);
    CPPUNIT_ASSERT(queue->advance(start + seconds(4), start) == start + seconds(5));
    CPPUNIT_ASSERT(!queue->advance(start + seconds(5), start));
    CPPUNIT_ASSERT_EQUAL(size_t{3}, done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, queue->size());
    CPPUNIT_ASSERT(queue->status().empty());
  }

  void outcomes_of_strangers_change_nothing() {
    queue_->add("d", item(1), start);
    queue_->finish("d", item(1));  // not in flight
    queue_->finish("d", item(2));
    queue_->retry("d", item(1, 0, start + seconds(5)), start);
    queue_->retry("other", item(1), start);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->size());
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->active("d"));
    const auto taken = queue_->take("d", 5);
    queue_->finish("d", taken.at(0));
    queue_->finish("d", taken.at(0));  // twice
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, queue_->size());
  }

  void the_urgent_go_first() {
    const int8_t priorities[] = {0, -9, 5, 0, 9};
    for (uint32_t offset = 0; offset < 5; ++offset) {
      for (uint32_t recipient = 0; recipient < 2; ++recipient) {
        Item each = item(offset, recipient);
        each.priority = priorities[offset];
        queue_->add("d", each, start);
      }
    }
    for (const uint32_t offset : {4, 2, 0, 3, 1}) {
      const auto taken = queue_->take_message("d", 9);
      CPPUNIT_ASSERT_EQUAL(size_t{2}, taken.size());
      CPPUNIT_ASSERT_EQUAL(offset, taken[0].id.offset);
    }
  }

  // Not before its time, whatever else may go at once.

  void domains_fold_case() {
    queue_->add("Example.COM", item(1), start);
    queue_->add("example.com", item(2), start);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, queue_->active("EXAMPLE.com"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, queue_->status().size());
  }

  void a_tenants_queue_is_another() {
    CPPUNIT_ASSERT_EQUAL(std::string("blue/a.example"), name_of("blue", "a.example"));
    CPPUNIT_ASSERT_EQUAL(std::string("a.example"), name_of("", "a.example"));
    for (const std::string& tenant : {std::string(), std::string("blue"), std::string(64, 'x')})
      for (const char* domain : {"", "a.example", "[192.0.2.1]", "[x:a/b]"}) {
        const std::string name = name_of(tenant, domain);
        CPPUNIT_ASSERT_EQUAL(tenant, std::string(tenant_of(name)));
        CPPUNIT_ASSERT_EQUAL(std::string(domain), std::string(domain_of(name)));
      }
    queue_->add(name_of("blue", "a.example"), item(1, 0, start + seconds(60)), start);
    queue_->add(name_of("green", "a.example"), item(2), start);
    queue_->add("a.example", item(3), start);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, queue_->active("blue/A.example"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->active("green/a.example"));
    CPPUNIT_ASSERT_EQUAL(uint32_t{3}, queue_->take("a.example", 10).at(0).id.offset);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, queue_->flush("blue/a.example"));
    CPPUNIT_ASSERT_EQUAL(uint32_t{1}, queue_->take("blue/a.example", 10).at(0).id.offset);
  }

  void a_bindings_queue_is_another() {
    for (const char* binding : {"", "default"}) CPPUNIT_ASSERT_EQUAL(std::string("d"), name_of("", "d", binding));
    for (const char* tenant : {"", "blue"})
      for (const char* domain : {"", "a.example", "[IPv6:::1]"})
        for (const char* binding : {"default", "b1", "a.b-c_d"}) {
          const std::string name = name_of(tenant, domain, binding);
          CPPUNIT_ASSERT_EQUAL(std::string(tenant), std::string(tenant_of(name)));
          CPPUNIT_ASSERT_EQUAL(std::string(domain), std::string(domain_of(name)));
          CPPUNIT_ASSERT_EQUAL(std::string(binding), std::string(binding_of(name)));
          CPPUNIT_ASSERT_EQUAL(name_of(tenant, domain), std::string(without_binding(name)));
          CPPUNIT_ASSERT_EQUAL(name_of(tenant, domain, "b2"), rebound(name, "b2"));
        }
    // All of a domain's stand together.
    for (const char* name : {"a.example-x", "a.example%b2", "a.example.org", "a.example", "a.example%b1", "a.exampl"})
      queue_->add(name, item(1), start);
    std::vector<std::string> names;
    for (const auto& status : queue_->status()) names.push_back(status.domain);
    CPPUNIT_ASSERT((names == std::vector<std::string>{"a.exampl", "a.example", "a.example%b1", "a.example%b2",
                                                      "a.example-x", "a.example.org"}));
  }

  void many_items_of_many_domains() {
    constexpr uint32_t domains = 200;
    constexpr uint32_t items = 50000;
    for (uint32_t i = 0; i < items; ++i) {
      queue_->add("d" + std::to_string(i * 7919 % domains), item(i, 0, start + seconds(i % 100)), start);
    }
    size_t out = 0;
    for (int second = 0; second < 100; ++second) {
      advance(start + seconds(second));
      for (const auto& domain : queue_->active_domains()) {
        for (const Item& each : queue_->take(domain, SIZE_MAX)) {
          CPPUNIT_ASSERT(each.next_attempt <= start + seconds(second));
          queue_->finish(domain, each);
          ++out;
        }
      }
    }
    CPPUNIT_ASSERT_EQUAL(size_t{items}, out);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, queue_->size());
  }

  void one_item_is_taken_wherever_it_waits() {
    queue_->add("d", item(1), start);
    queue_->add("d", item(2, 0, start + hours(1)), start);
    queue_->add("d", item(2, 1, start + hours(2)), start);
    CPPUNIT_ASSERT(queue_->take_item("d", item(2, 0, start + hours(1))).has_value());
    // By its place, not by its name alone: nobody looks through a long queue for it.
    CPPUNIT_ASSERT(!queue_->take_item("d", Item{{1, 2}, 1}));
    const auto named = queue_->take_item("d", item(2, 1, start + hours(2)));
    CPPUNIT_ASSERT(named && named->attempts == 1);
    CPPUNIT_ASSERT(!queue_->take_item("d", *named));
    CPPUNIT_ASSERT(!queue_->take_item("e", *named));
    const auto found = queue_->find("D", {1, 2});
    CPPUNIT_ASSERT_EQUAL(size_t{2}, found.size());
    CPPUNIT_ASSERT(found[0].place == Place::in_flight && found[1].item.recipient == 1);
    CPPUNIT_ASSERT(queue_->find("d", {1, 1}).at(0).place == Place::active);
    CPPUNIT_ASSERT(queue_->find("d", {1, 3}).empty() && queue_->find("e", {1, 1}).empty());
    CPPUNIT_ASSERT(queue_->take_item("d", Item{{1, 1}, 0}).has_value());
    CPPUNIT_ASSERT(queue_->active_domains().empty());
    CPPUNIT_ASSERT(!advance(start + hours(3)));
    queue_->retry("d", *named, start);
    CPPUNIT_ASSERT(advance(start) == start + hours(2));
    // The clock was set back meanwhile.
    CPPUNIT_ASSERT(advance(start - hours(5)) == start - hours(3));
    CPPUNIT_ASSERT(!queue_->take_item("d", *named));
    CPPUNIT_ASSERT(queue_->take_item("d", queue_->find("d", {1, 2}).at(1).item).has_value());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueTest);

}  // namespace
}  // namespace impulse::queue
