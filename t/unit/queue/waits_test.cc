// How long things wait, whatever the clock does.

#include "kit.h"

#include <chrono>
#include <optional>

namespace impulse::queue {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class QueueTimesTest : public QueueFixture {
  CPPUNIT_TEST_SUITE(QueueTimesTest);
  CPPUNIT_TEST(a_clock_set_back_lengthens_no_wait);
  CPPUNIT_TEST(a_clock_set_back_and_forth_loses_nothing);
  CPPUNIT_TEST(a_clock_that_jumps_ahead_is_followed_in_slices);
  CPPUNIT_TEST(far_future_does_not_overflow);
  CPPUNIT_TEST(what_is_on_hold_waits_for_ever);
  CPPUNIT_TEST(what_is_held_is_not_flushed);
  CPPUNIT_TEST(what_a_sender_holds_goes_by_the_clock);
  CPPUNIT_TEST(held_by_its_sender_and_by_us);
  CPPUNIT_TEST_SUITE_END();

  void a_clock_set_back_lengthens_no_wait() {
    queue_->add("d", item(1, 0, start + seconds(10)), start);
    // One second later somebody sets the clock back by a day: nine are left.
    advance(start + seconds(1));
    const WallTime set = start - hours(24);
    CPPUNIT_ASSERT(advance(set) == set + seconds(9));
    CPPUNIT_ASSERT(queue_->list("d", 1).at(0).next_attempt == set + seconds(9));
    CPPUNIT_ASSERT(queue_->status()[0].next_attempt == set + seconds(9));
    CPPUNIT_ASSERT(ready_.empty());
    CPPUNIT_ASSERT(!advance(set + seconds(9)));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, ready_.size());
    // What comes from now on is measured by the new clock.
    queue_->add("e", item(2, 0, set + seconds(20)), set + seconds(10));
    CPPUNIT_ASSERT(advance(set + seconds(10)) == set + seconds(20));
  }

  void a_clock_set_back_and_forth_loses_nothing() {
    queue_->add("d", item(1, 0, start + seconds(100)), start);
    for (int i = 0; i < 50; ++i) {
      advance(start - hours(i));
      advance(start + hours(1));  // seen: due, early, once
    }
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->active("d"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, ready_.size());
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->size());
  }

  void a_clock_that_jumps_ahead_is_followed_in_slices() {
    for (uint32_t i = 0; i < 10000; ++i)
      queue_->add("d" + std::to_string(i % 7), item(i, 0, start + seconds(5)), start);
    int slices = 1;
    for (auto next = queue_->advance(start + hours(9), start, 1000); next;
         next = queue_->advance(start + hours(9), start, 1000)) {
      CPPUNIT_ASSERT(*next <= start + hours(9));
      CPPUNIT_ASSERT(queue_->totals().active <= uint64_t{1000} * static_cast<unsigned>(slices));
      ++slices;
    }
    CPPUNIT_ASSERT(slices >= 10);
    CPPUNIT_ASSERT_EQUAL(uint64_t{10000}, queue_->totals().active);
    CPPUNIT_ASSERT_EQUAL(size_t{7}, ready_.size());
  }

  void far_future_does_not_overflow() {
    queue_->add("d", item(1, 0, on_hold - seconds(1)), start);
    advance(start - hours(1));
    queue_->add("d", item(2, 0, on_hold - seconds(1)), start - hours(1));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, queue_->active("d"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, queue_->flush("d"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, queue_->take("d", 9).size());
  }

  void what_is_on_hold_waits_for_ever() {
    queue_->add("d", item(1, 0, on_hold), start);
    queue_->add("d", item(2, 0, start + hours(1)), start);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, queue_->flush("d"));
    CPPUNIT_ASSERT(!advance(start + std::chrono::years(1000)));
    CPPUNIT_ASSERT(!advance(start));  // set back again
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->status("d")->held);
    CPPUNIT_ASSERT(!queue_->status("d")->next_attempt);
    auto held = queue_->take_item("d", item(1, 0, on_hold));
    CPPUNIT_ASSERT(held && held->next_attempt == on_hold);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, queue_->status("d")->held);
    held->next_attempt = start;
    queue_->retry("d", *held, start);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, queue_->active("d"));
  }

  void what_is_held_is_not_flushed() {
    queue_->add("d", future(1, start + hours(5)), start);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, queue_->flush("d"));
    queue_->add("d", item(2, 0, start + hours(6)), start);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, queue_->flush("d"));
    CPPUNIT_ASSERT_EQUAL(uint32_t{2}, queue_->take("d", 9).at(0).id.offset);
    CPPUNIT_ASSERT(start + hours(5) == advance(start + hours(4)));
    CPPUNIT_ASSERT(queue_->take("d", 9).empty());
    advance(start + hours(5));
    CPPUNIT_ASSERT_EQUAL(uint32_t{1}, queue_->take("d", 9).at(0).id.offset);
  }

  // Wherever that is set; and its age begins then.
  void what_a_sender_holds_goes_by_the_clock() {
    const WallTime until = start + hours(2);
    queue_->add("d", future(1, until), start);
    queue_->add("d", item(2, 0, start + hours(3)), start);
    CPPUNIT_ASSERT(advance(start + hours(1)) == until);
    const WallTime set = start - hours(24);
    CPPUNIT_ASSERT(advance(set) == set + hours(2));
    CPPUNIT_ASSERT(queue_->find("d", {1, 1}).at(0).item.next_attempt == until);
    CPPUNIT_ASSERT(advance(set + hours(2)) == until);
    CPPUNIT_ASSERT_EQUAL(uint32_t{2}, queue_->take("d", 9).at(0).id.offset);
    CPPUNIT_ASSERT(queue_->status("d")->next_attempt == until);
    CPPUNIT_ASSERT(advance(until - seconds(1)) == until);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, queue_->active("d"));
    const WallTime even = until + hours(25);
    CPPUNIT_ASSERT(!queue_->advance(until, even));
    const auto taken = queue_->take("d", 9);
    CPPUNIT_ASSERT(taken.size() == 1 && taken[0].received == even && !taken[0].future_release);
  }

  void held_by_its_sender_and_by_us() {
    const WallTime until = start + hours(2);
    for (const uint32_t offset : {1, 2}) queue_->add("d", future(offset, until), start);
    auto held = queue_->take_item("d", future(1, until));
    CPPUNIT_ASSERT(held && queue_->status("d")->delayed == 1 && queue_->status("d")->in_flight == 1);
    held->next_attempt = on_hold;
    queue_->retry("d", *held, start);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->status("d")->held);
    CPPUNIT_ASSERT(advance(start - hours(5)) == until);
    CPPUNIT_ASSERT(!advance(until + hours(1)));
    CPPUNIT_ASSERT_EQUAL(uint32_t{2}, queue_->take("d", 9).at(0).id.offset);
    held = queue_->take_item("d", queue_->find("d", {1, 1}).at(0).item);
    CPPUNIT_ASSERT(held && held->received == until && held->future_release);
    // Back behind its time, and let go by us: its sender holds it still.
    held->next_attempt = until;
    queue_->retry("d", *held, start);
    CPPUNIT_ASSERT(advance(start) == until);
    queue_->finish("d", item(2));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue_->size());
    CPPUNIT_ASSERT(queue_->take_item("d", future(1, until)).has_value());
    queue_->finish("d", item(1));
    CPPUNIT_ASSERT(!queue_->status("d") && !advance(start));
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

CPPUNIT_TEST_SUITE_REGISTRATION(QueueTimesTest);
CPPUNIT_TEST_SUITE_REGISTRATION(BackoffTest);

}  // namespace
}  // namespace impulse::queue
