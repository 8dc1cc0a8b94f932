// What a bucket lets through, by a clock of the test's own.
#include "delivery/token_bucket.h"

#include "base/result.h"

#include <cppunit/extensions/HelperMacros.h>

#include <random>

namespace impulse::delivery {
namespace {

using namespace std::chrono_literals;
using config::Rate;

class TokenBucketTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TokenBucketTest);
  CPPUNIT_TEST(full_at_first_and_filled_evenly);
  CPPUNIT_TEST(nothing_is_lost_or_won_over_a_long_run);
  CPPUNIT_TEST(another_rate_knows_what_was_taken);
  CPPUNIT_TEST(what_is_owed_is_made_up_for);
  CPPUNIT_TEST(what_comes_back);
  CPPUNIT_TEST(huge_and_tiny_rates);
  CPPUNIT_TEST(a_clock_that_stands_or_runs_back);
  CPPUNIT_TEST_SUITE_END();

  SteadyTime now{SteadyTime(std::chrono::hours(1000))};

  void full_at_first_and_filled_evenly() {
    TokenBucket bucket({10, 3600s}, now);
    CPPUNIT_ASSERT_EQUAL(uint64_t{10}, bucket.available(now));
    bucket.take(10, now);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, bucket.available(now));
    CPPUNIT_ASSERT(bucket.wait(1, now) == 360s);
    CPPUNIT_ASSERT(bucket.wait(3, now) == 1080s);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, bucket.available(now + 360s - 1us));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, bucket.available(now + 360s));
    CPPUNIT_ASSERT_EQUAL(uint64_t{9}, bucket.available(now + 3599s));
    CPPUNIT_ASSERT(!bucket.full(now + 3599s) && bucket.full(now + 3600s));
    CPPUNIT_ASSERT_EQUAL(uint64_t{10}, bucket.available(now + 100h));
  }

  void nothing_is_lost_or_won_over_a_long_run() {
    std::minstd_rand random(7);
    for (const Rate rate : {Rate{7, 3s}, Rate{1, 7s}, Rate{100, 1s}, Rate{333, 60s}, Rate{999983, 1s}}) {
      TokenBucket bucket(rate, now);
      const SteadyTime start = now;
      SteadyTime at = start;
      uint64_t taken = rate.count;
      bucket.take(taken, start);
      for (int i = 0; i < 200000; ++i) {
        // Never so long that it is full and something runs over.
        if (rate.count == 1)
          at += bucket.wait(1, at);
        else
          at += std::chrono::nanoseconds(random() % static_cast<uint64_t>(rate.per.count() * 500));
        const uint64_t some = bucket.available(at);
        bucket.take(some, at);
        taken += some;
      }
      const auto passed = std::chrono::floor<Duration>(at - start).count();
      __extension__ using Wide = __int128;
      const auto earned = static_cast<uint64_t>(static_cast<Wide>(passed) * static_cast<Wide>(rate.count) /
                                                static_cast<Wide>(rate.per.count()));
      CPPUNIT_ASSERT_EQUAL(rate.count + earned, taken);
    }
  }

  void another_rate_knows_what_was_taken() {
    TokenBucket bucket({10, 3600s}, now);
    bucket.take(4, now);
    bucket.set({20, 3600s}, now);
    CPPUNIT_ASSERT_EQUAL(uint64_t{16}, bucket.available(now));
    bucket.set({3, 3600s}, now);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, bucket.available(now));
    CPPUNIT_ASSERT(bucket.wait(1, now) == 1200s);
    bucket.set({1000, 1s}, now);
    CPPUNIT_ASSERT(bucket.available(now) >= 997);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1000}, bucket.available(now + 1s));
  }

  void what_is_owed_is_made_up_for() {
    TokenBucket bucket({2, 10s}, now);
    bucket.take(3, now);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, bucket.available(now + 9s));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, bucket.available(now + 10s));
    bucket.take(1000, now + 10s);  // no more than what it holds is owed
    CPPUNIT_ASSERT(bucket.wait(1, now + 10s) == 15s);
  }

  void what_comes_back() {
    TokenBucket bucket({2, 10s}, now);
    bucket.take(2, now);
    bucket.give_back(1, now);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, bucket.available(now));
    bucket.give_back(50, now);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, bucket.available(now));
  }

  void huge_and_tiny_rates() {
    TokenBucket most({UINT64_MAX, Duration::max()}, now);
    most.take(5, now);
    CPPUNIT_ASSERT(most.available(now + 1s) > 1000);
    TokenBucket dense({1000000000, 24h}, now);
    dense.take(1000000000, now);
    const uint64_t half = dense.available(now + 12h);
    CPPUNIT_ASSERT(half > 499999000 && half < 500001000);
    TokenBucket rare({1, Duration::max()}, now);
    rare.take(1, now);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, rare.available(now + 24h * 365));
    CPPUNIT_ASSERT(rare.wait(1, now) > 24h);
  }

  void a_clock_that_stands_or_runs_back() {
    TokenBucket bucket({1, 1s}, now);
    bucket.take(1, now);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, bucket.available(now - 5s));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, bucket.available(now + 1s));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(TokenBucketTest);

}  // namespace
}  // namespace impulse::delivery
