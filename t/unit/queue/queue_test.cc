// The queue's promises one by one.
#include "queue/queue.h"

#include "base/text.h"
#include "queue/name.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <set>
#include <string>

namespace impulse::queue {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using std::string_literals::operator""s;

constexpr WallTime start{std::chrono::sys_days(std::chrono::year{2026} / 3 / 1)};

// With a time, it was tried before.
Item item(uint32_t offset, uint32_t recipient = 0, WallTime next = WallTime{}) {
  return {{1, offset}, recipient, static_cast<uint16_t>(next == WallTime{} ? 0 : 1), 0, start, next};
}

class QueueTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(QueueTest);
  CPPUNIT_TEST(oldest_first_whatever_the_order_of_adding);
  CPPUNIT_TEST(a_message_s_recipients_come_together);
  CPPUNIT_TEST(take_message_stops_at_the_message);
  CPPUNIT_TEST(domains_take_turns);
  CPPUNIT_TEST(ready_may_take_and_finish);
  CPPUNIT_TEST(a_clock_set_back_lengthens_no_wait);
  CPPUNIT_TEST(a_clock_set_back_and_forth_loses_nothing);
  CPPUNIT_TEST(outcomes_of_strangers_change_nothing);
  CPPUNIT_TEST(flush_of_nothing);
  CPPUNIT_TEST(the_urgent_go_first);
  CPPUNIT_TEST(what_is_held_is_not_flushed);
  CPPUNIT_TEST(domains_fold_case);
  CPPUNIT_TEST(a_tenants_queue_is_another);
  CPPUNIT_TEST(a_bindings_queue_is_another);
  CPPUNIT_TEST(list_keeps_its_limit_and_order);
  CPPUNIT_TEST(far_future_does_not_overflow);
  CPPUNIT_TEST(many_items_of_many_domains);
  CPPUNIT_TEST(a_walk_meets_all_domains_in_order);
  CPPUNIT_TEST(a_walk_over_a_queue_that_changes);
  CPPUNIT_TEST(totals_are_those_of_all);
  CPPUNIT_TEST(outcomes_are_counted_while_something_waits);
  CPPUNIT_TEST(one_item_is_taken_wherever_it_waits);
  CPPUNIT_TEST(what_is_on_hold_waits_for_ever);
  CPPUNIT_TEST(a_scan_goes_on_where_it_was);
  CPPUNIT_TEST(flush_goes_on_where_it_was);
  CPPUNIT_TEST(a_clock_that_jumps_ahead_is_followed_in_slices);
  CPPUNIT_TEST_SUITE_END();

  std::vector<std::string> ready_;
  std::unique_ptr<Queue> queue_ = Queue::create([this](const std::string& domain) { ready_.push_back(domain); });

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

  void a_walk_meets_all_domains_in_order() {
    std::vector<DomainStatus> page;
    queue_->walk("", 3, page);
    CPPUNIT_ASSERT(page.empty());
    for (int i = 0; i < 1000; ++i) queue_->add("D" + std::to_string(i * 7 % 1000), item(1), start);
    queue_->add("d5000", item(1, 0, start + hours(1)), start);
    std::vector<std::string> met;
    for (std::string after;; after = met.back()) {
      page.clear();
      queue_->walk(after, 10, page);
      for (const DomainStatus& each : page) met.push_back(each.domain);
      if (page.size() < 10) break;
    }
    CPPUNIT_ASSERT_EQUAL(size_t{1001}, met.size());
    CPPUNIT_ASSERT(std::is_sorted(met.begin(), met.end(), ILess()));
    page.clear();
    queue_->walk("D500", 1, page);
    CPPUNIT_ASSERT_EQUAL("d5000"s, page.at(0).domain);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, page.at(0).delayed);
  }

  void a_walk_over_a_queue_that_changes() {
    for (int i = 100; i < 200; ++i) queue_->add("d" + std::to_string(i), item(1), start);
    std::vector<DomainStatus> page;
    queue_->walk("", 50, page);
    // What it stood on goes, and others come.
    for (const Item& each : queue_->take(page.back().domain, 1)) queue_->finish(page.back().domain, each);
    queue_->add("d000", item(1), start);
    queue_->add("d1495", item(1), start);
    std::vector<DomainStatus> rest;
    queue_->walk(page.back().domain, 1000, rest);
    CPPUNIT_ASSERT_EQUAL(size_t{51}, rest.size());
    CPPUNIT_ASSERT_EQUAL("d1495"s, rest.front().domain);
  }

  void totals_are_those_of_all() {
    queue_->add("a", item(1), start);
    queue_->add("a", item(2, 0, start + seconds(5)), start);
    queue_->add("b", item(3, 0, on_hold), start);
    queue_->add("b", item(4), start);
    queue_->take("b", 1);
    const Totals all = queue_->totals();
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, all.domains);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, all.active);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, all.delayed);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, all.held);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, all.in_flight);
    CPPUNIT_ASSERT_EQUAL(uint64_t{4}, queue_->size());
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->status("B")->held);
    CPPUNIT_ASSERT(!queue_->status("c"));
  }

  void outcomes_are_counted_while_something_waits() {
    for (uint32_t i = 1; i <= 4; ++i) queue_->add("d", item(i), start);
    const auto taken = queue_->take("d", 3);
    queue_->finish("d", taken[0], End::delivered);
    queue_->finish("d", taken[1], End::failed);
    queue_->finish("d", taken[2]);
    queue_->finish("d", taken[2], End::delivered);  // no more in flight
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->status("d")->delivered);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->status("d")->failed);
    queue_->finish("d", queue_->take("d", 1).at(0), End::delivered);
    queue_->add("d", item(9), start);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, queue_->status("d")->delivered);
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
    CPPUNIT_ASSERT(!queue_->advance(start + hours(3)));
    queue_->retry("d", *named, start);
    CPPUNIT_ASSERT(queue_->advance(start) == start + hours(2));
    // The clock was set back meanwhile.
    CPPUNIT_ASSERT(queue_->advance(start - hours(5)) == start - hours(3));
    CPPUNIT_ASSERT(!queue_->take_item("d", *named));
    CPPUNIT_ASSERT(queue_->take_item("d", queue_->find("d", {1, 2}).at(1).item).has_value());
  }

  void what_is_on_hold_waits_for_ever() {
    queue_->add("d", item(1, 0, on_hold), start);
    queue_->add("d", item(2, 0, start + hours(1)), start);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, queue_->flush("d"));
    CPPUNIT_ASSERT(!queue_->advance(start + std::chrono::years(1000)));
    CPPUNIT_ASSERT(!queue_->advance(start));  // set back again
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->status("d")->held);
    CPPUNIT_ASSERT(!queue_->status("d")->next_attempt);
    auto held = queue_->take_item("d", item(1, 0, on_hold));
    CPPUNIT_ASSERT(held && held->next_attempt == on_hold);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, queue_->status("d")->held);
    held->next_attempt = start;
    queue_->retry("d", *held, start);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, queue_->active("d"));
  }

  void a_scan_goes_on_where_it_was() {
    for (uint32_t i = 0; i < 3000; ++i)
      queue_->add("d", item(i, 0, i % 3 == 0 ? start : start + seconds(i * 7919 % 3000)), start);
    queue_->take("d", 100);
    std::set<uint32_t> met;
    std::vector<Listed> page;
    Place last = Place::in_flight;
    for (Queue::Scan scan; !scan.ended;) {
      page.clear();
      queue_->scan("d", scan, 97, page);
      CPPUNIT_ASSERT(page.size() <= 97);
      for (const Listed& each : page) {
        CPPUNIT_ASSERT(each.place >= last);
        last = each.place;
        CPPUNIT_ASSERT(met.insert(each.item.id.offset).second);
      }
      // What was told is taken away from under it.
      for (size_t i = 0; i < page.size(); i += 2)
        if (page[i].place != Place::in_flight) CPPUNIT_ASSERT(queue_->take_item("d", page[i].item).has_value());
    }
    CPPUNIT_ASSERT_EQUAL(size_t{3000}, met.size());
  }

  void flush_goes_on_where_it_was() {
    for (uint32_t i = 0; i < 1000; ++i) {
      Item each = item(i, 0, start + seconds(1 + i));
      if (i % 2 == 0) each.attempts = 0;  // held by its sender
      queue_->add("d", each, start);
    }
    queue_->add("d", item(2000, 0, on_hold), start);
    size_t flushed = 0;
    int slices = 0;
    for (Queue::Scan scan; !scan.ended; ++slices) flushed += queue_->flush("d", scan, 10);
    CPPUNIT_ASSERT_EQUAL(size_t{500}, flushed);
    CPPUNIT_ASSERT(slices >= 100);
    CPPUNIT_ASSERT_EQUAL(uint64_t{500}, queue_->active("d"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, ready_.size());
  }

  // However much is due at once, nobody waits for all of it to be moved.
  void a_clock_that_jumps_ahead_is_followed_in_slices() {
    for (uint32_t i = 0; i < 10000; ++i)
      queue_->add("d" + std::to_string(i % 7), item(i, 0, start + seconds(5)), start);
    int slices = 1;
    for (auto next = queue_->advance(start + hours(9), 1000); next; next = queue_->advance(start + hours(9), 1000)) {
      CPPUNIT_ASSERT(*next <= start + hours(9));
      CPPUNIT_ASSERT(queue_->totals().active <= uint64_t{1000} * static_cast<unsigned>(slices));
      ++slices;
    }
    CPPUNIT_ASSERT(slices >= 10);
    CPPUNIT_ASSERT_EQUAL(uint64_t{10000}, queue_->totals().active);
    CPPUNIT_ASSERT_EQUAL(size_t{7}, ready_.size());
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
    CPPUNIT_ASSERT(queue->advance(start + seconds(4)) == start + seconds(5));
    CPPUNIT_ASSERT(!queue->advance(start + seconds(5)));
    CPPUNIT_ASSERT_EQUAL(size_t{3}, done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, queue->size());
    CPPUNIT_ASSERT(queue->status().empty());
  }

  void a_clock_set_back_lengthens_no_wait() {
    queue_->add("d", item(1, 0, start + seconds(10)), start);
    // One second later somebody sets the clock back by a day: nine are left.
    queue_->advance(start + seconds(1));
    const WallTime set = start - hours(24);
    CPPUNIT_ASSERT(queue_->advance(set) == set + seconds(9));
    CPPUNIT_ASSERT(queue_->list("d", 1).at(0).next_attempt == set + seconds(9));
    CPPUNIT_ASSERT(queue_->status()[0].next_attempt == set + seconds(9));
    CPPUNIT_ASSERT(ready_.empty());
    CPPUNIT_ASSERT(!queue_->advance(set + seconds(9)));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, ready_.size());
    // What comes from now on is measured by the new clock.
    queue_->add("e", item(2, 0, set + seconds(20)), set + seconds(10));
    CPPUNIT_ASSERT(queue_->advance(set + seconds(10)) == set + seconds(20));
  }

  void a_clock_set_back_and_forth_loses_nothing() {
    queue_->add("d", item(1, 0, start + seconds(100)), start);
    for (int i = 0; i < 50; ++i) {
      queue_->advance(start - hours(i));
      queue_->advance(start + hours(1));  // seen: due, early, once
    }
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->active("d"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, ready_.size());
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->size());
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

  void flush_of_nothing() {
    CPPUNIT_ASSERT_EQUAL(size_t{0}, queue_->flush("nowhere"));
    queue_->add("d", item(1), start);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, queue_->flush("d"));
    queue_->add("d", item(2, 0, start + hours(5)), start);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, queue_->flush("d"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, queue_->take("d", 5).size());
    CPPUNIT_ASSERT(!queue_->advance(start + hours(6)));
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
  void what_is_held_is_not_flushed() {
    Item held = item(1, 0, start + hours(5));
    held.attempts = 0;
    queue_->add("d", held, start);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, queue_->flush("d"));
    queue_->add("d", item(2, 0, start + hours(6)), start);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, queue_->flush("d"));
    CPPUNIT_ASSERT_EQUAL(uint32_t{2}, queue_->take("d", 9).at(0).id.offset);
    CPPUNIT_ASSERT(start + hours(5) == queue_->advance(start + hours(4)));
    CPPUNIT_ASSERT(queue_->take("d", 9).empty());
    queue_->advance(start + hours(5));
    CPPUNIT_ASSERT_EQUAL(uint32_t{1}, queue_->take("d", 9).at(0).id.offset);
  }

  void domains_fold_case() {
    queue_->add("Example.COM", item(1), start);
    queue_->add("example.com", item(2), start);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, queue_->active("EXAMPLE.com"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, queue_->status().size());
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

  void list_keeps_its_limit_and_order() {
    for (const uint32_t offset : {6, 5, 4}) queue_->add("d", item(offset, 0, start + seconds(offset)), start);
    for (const uint32_t offset : {3, 2, 1}) queue_->add("d", item(offset), start);
    queue_->take("d", 1);
    const auto all = queue_->list("d", 100);
    CPPUNIT_ASSERT_EQUAL(size_t{6}, all.size());
    for (uint32_t i = 0; i < 6; ++i) CPPUNIT_ASSERT_EQUAL(i + 1, all[i].id.offset);
    for (size_t limit = 0; limit <= 6; ++limit) CPPUNIT_ASSERT_EQUAL(limit, queue_->list("d", limit).size());
    CPPUNIT_ASSERT_EQUAL(uint32_t{5}, queue_->list("d", 5).back().id.offset);
    CPPUNIT_ASSERT(queue_->list("nowhere", 5).empty());
  }

  void far_future_does_not_overflow() {
    queue_->add("d", item(1, 0, on_hold - seconds(1)), start);
    queue_->advance(start - hours(1));
    queue_->add("d", item(2, 0, on_hold - seconds(1)), start - hours(1));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, queue_->active("d"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, queue_->flush("d"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, queue_->take("d", 9).size());
  }

  void many_items_of_many_domains() {
    constexpr uint32_t domains = 200;
    constexpr uint32_t items = 50000;
    for (uint32_t i = 0; i < items; ++i) {
      queue_->add("d" + std::to_string(i * 7919 % domains), item(i, 0, start + seconds(i % 100)), start);
    }
    size_t out = 0;
    for (int second = 0; second < 100; ++second) {
      queue_->advance(start + seconds(second));
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
};

class BackoffTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BackoffTest);
  CPPUNIT_TEST(doubles_up_to_the_most);
  CPPUNIT_TEST(jitter_is_at_most_a_tenth_on_top);
  CPPUNIT_TEST(odd_numbers_do_no_harm);
  CPPUNIT_TEST_SUITE_END();

  void doubles_up_to_the_most() {
    CPPUNIT_ASSERT(backoff(0, seconds(20), seconds(100), 0) == seconds(20));
    CPPUNIT_ASSERT(backoff(1, seconds(20), seconds(100), 0) == seconds(20));
    CPPUNIT_ASSERT(backoff(2, seconds(20), seconds(100), 0) == seconds(40));
    CPPUNIT_ASSERT(backoff(3, seconds(20), seconds(100), 0) == seconds(80));
    CPPUNIT_ASSERT(backoff(4, seconds(20), seconds(100), 0) == seconds(100));
    CPPUNIT_ASSERT(backoff(UINT32_MAX, seconds(20), seconds(100), 0) == seconds(100));
    CPPUNIT_ASSERT(backoff(1, seconds(200), seconds(100), 0) == seconds(100));
  }

  void jitter_is_at_most_a_tenth_on_top() {
    for (uint32_t attempts = 0; attempts < 20; ++attempts) {
      const Duration least = backoff(attempts, seconds(20), seconds(1000), 0);
      const Duration most = backoff(attempts, seconds(20), seconds(1000), 1);
      CPPUNIT_ASSERT(most == least + least / 10);
      const Duration middle = backoff(attempts, seconds(20), seconds(1000), 0.5);
      CPPUNIT_ASSERT(least < middle && middle < most);
    }
    CPPUNIT_ASSERT(backoff(1, seconds(20), seconds(100), 7.0) == seconds(22));
    CPPUNIT_ASSERT(backoff(1, seconds(20), seconds(100), -7.0) == seconds(20));
  }

  void odd_numbers_do_no_harm() {
    CPPUNIT_ASSERT(backoff(UINT32_MAX, Duration{0}, seconds(100), 1) == Duration{0});
    CPPUNIT_ASSERT(backoff(9, seconds(-5), seconds(100), 1) == Duration{0});
    CPPUNIT_ASSERT(backoff(9, seconds(5), seconds(-100), 1) == Duration{0});
    CPPUNIT_ASSERT(backoff(UINT32_MAX, Duration{1}, Duration::max(), 1) == Duration::max());
    CPPUNIT_ASSERT(backoff(70, seconds(1), Duration::max(), 0) == Duration::max());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueTest);
CPPUNIT_TEST_SUITE_REGISTRATION(BackoffTest);

}  // namespace
}  // namespace impulse::queue
