// Moments that were told by a wall clock which has been set.
#include "delivery/ages.h"

#include <cppunit/extensions/HelperMacros.h>

namespace impulse::delivery {
namespace {

using std::chrono::days;
using std::chrono::hours;

class AgesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(AgesTest);
  CPPUNIT_TEST(clocks_that_agree);
  CPPUNIT_TEST(the_clock_is_ahead);
  CPPUNIT_TEST(it_was_set_back_by_little);
  CPPUNIT_TEST(the_clock_is_behind);
  CPPUNIT_TEST(what_was_written_by_another_clock);
  CPPUNIT_TEST(it_runs);
  CPPUNIT_TEST_SUITE_END();

  static constexpr WallTime now{days(20000)};

  void clocks_that_agree() {
    for (const Duration age : {Duration(0), Duration(1), Duration(hours(1)), Duration(days(100))})
      CPPUNIT_ASSERT(even_time(now - age, now, now) == now - age);
    // They drift; that is no reason to touch anything.
    CPPUNIT_ASSERT(even_time(now - hours(1), now + Duration(500), now) == now - hours(1));
  }

  void the_clock_is_ahead() {
    const WallTime wall = now + days(400);
    CPPUNIT_ASSERT(even_time(now - hours(5), now, wall) == now - hours(5));   // told before
    CPPUNIT_ASSERT(even_time(wall - hours(5), now, wall) == now - hours(5));  // told since
    CPPUNIT_ASSERT(even_time(wall, now, wall) == now);
  }

  // A deadline of twenty seconds is not over with that.
  void it_was_set_back_by_little() {
    for (const int step : {2, 30, 60}) {
      const WallTime wall = now - std::chrono::seconds(step);
      CPPUNIT_ASSERT(even_time(wall, now, wall) == now);
    }
  }

  void the_clock_is_behind() {
    const WallTime wall = now - days(400);
    CPPUNIT_ASSERT(even_time(now - hours(5), now, wall) == now - hours(5));
    CPPUNIT_ASSERT(even_time(wall - hours(5), now, wall) == now - hours(5));
  }

  void what_was_written_by_another_clock() {
    CPPUNIT_ASSERT(even_time(now + days(9), now, now) == now);
    CPPUNIT_ASSERT(even_time(now + days(9), now, now + days(3)) == now);
  }

  void it_runs() {
    const WallTime first = even_now();
    CPPUNIT_ASSERT(even_now() >= first);
    CPPUNIT_ASSERT(now_of_mail(first) >= first);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AgesTest);

}  // namespace
}  // namespace impulse::delivery
