// Looks at the queue, and orders to all of it, that go on where they were; and its totals.

#include "kit.h"

#include "base/text.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace impulse::queue {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using std::string_literals::operator""s;

class QueuePagesTest : public QueueFixture {
  CPPUNIT_TEST_SUITE(QueuePagesTest);
  CPPUNIT_TEST(a_walk_meets_all_domains_in_order);
  CPPUNIT_TEST(a_walk_over_a_queue_that_changes);
  CPPUNIT_TEST(a_scan_goes_on_where_it_was);
  CPPUNIT_TEST(flush_goes_on_where_it_was);
  CPPUNIT_TEST(totals_are_those_of_all);
  CPPUNIT_TEST(outcomes_are_counted_while_something_waits);
  CPPUNIT_TEST(list_keeps_its_limit_and_order);
  CPPUNIT_TEST(flush_of_nothing);
  CPPUNIT_TEST_SUITE_END();

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

  void a_scan_goes_on_where_it_was() {
    for (uint32_t i = 0; i < 3000; ++i)
      queue_->add("d",
                  i % 5 == 0 ? future(i, start + seconds(1 + i * 7919 % 3000))
                             : item(i, 0, i % 3 == 0 ? start : start + seconds(i * 7919 % 3000)),
                  start);
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
      queue_->add("d", item(i, 0, start + seconds(1 + i)), start);
      queue_->add("d", future(5000 + i, start + seconds(1 + i)), start);
    }
    queue_->add("d", item(2000, 0, on_hold), start);
    size_t flushed = 0;
    int slices = 0;
    for (Queue::Scan scan; !scan.ended; ++slices) flushed += queue_->flush("d", scan, 10);
    CPPUNIT_ASSERT_EQUAL(size_t{1000}, flushed);
    CPPUNIT_ASSERT(slices >= 100);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1000}, queue_->active("d"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, ready_.size());
  }

  // However much is due at once, nobody waits for all of it to be moved.

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

  void flush_of_nothing() {
    CPPUNIT_ASSERT_EQUAL(size_t{0}, queue_->flush("nowhere"));
    queue_->add("d", item(1), start);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, queue_->flush("d"));
    queue_->add("d", item(2, 0, start + hours(5)), start);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, queue_->flush("d"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, queue_->take("d", 5).size());
    CPPUNIT_ASSERT(!advance(start + hours(6)));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueuePagesTest);

}  // namespace
}  // namespace impulse::queue
