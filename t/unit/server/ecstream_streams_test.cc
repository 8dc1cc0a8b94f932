// Who has which stream of ECStream open.
#include "server/ecstream_streams.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using impulse::server::OpenStreams;
using Claim = std::shared_ptr<const OpenStreams::Claim>;

// Somebody who wants a stream, and what he was told.
struct Guest {
  explicit Guest(std::string& log, std::string name) : log_(log), name_(std::move(name)) {}
  void want(OpenStreams& streams, const std::string& stream = "s") {
    claim = streams.claim(stream, {[this] { log_ += name_ + " has it. "; }, [this] { log_ += name_ + " must go. "; }});
  }
  Claim claim;

 private:
  std::string& log_;
  const std::string name_;
};

class OpenStreamsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(OpenStreamsTest);
  CPPUNIT_TEST(the_first_has_it_at_once);
  CPPUNIT_TEST(the_next_waits_until_all_have_let_go);
  CPPUNIT_TEST(who_waits_may_be_replaced_or_leave);
  CPPUNIT_TEST(claims_may_outlive_it);
  CPPUNIT_TEST(one_at_a_time_in_many_threads);
  CPPUNIT_TEST_SUITE_END();

 public:
  void the_first_has_it_at_once() {
    std::string log;
    OpenStreams streams;
    Guest a(log, "a"), b(log, "b"), c(log, "c");
    a.want(streams);
    b.want(streams, "other");
    CPPUNIT_ASSERT_EQUAL(std::string("a has it. b has it. "), log);
    a.claim.reset();
    c.want(streams);
    CPPUNIT_ASSERT_EQUAL(std::string("a has it. b has it. c has it. "), log);
  }
  void the_next_waits_until_all_have_let_go() {
    std::string log;
    OpenStreams streams;
    Guest a(log, "a"), b(log, "b");
    a.want(streams);
    Claim of_a_commit = a.claim;
    b.want(streams);
    a.claim.reset();
    CPPUNIT_ASSERT_EQUAL(std::string("a has it. a must go. "), log);
    of_a_commit.reset();
    CPPUNIT_ASSERT_EQUAL(std::string("a has it. a must go. b has it. "), log);
  }
  void who_waits_may_be_replaced_or_leave() {
    std::string log;
    OpenStreams streams;
    Guest a(log, "a"), b(log, "b"), c(log, "c"), d(log, "d");
    a.want(streams);
    b.want(streams);
    c.want(streams);
    CPPUNIT_ASSERT_EQUAL(std::string("a has it. a must go. b must go. a must go. "), log);
    log.clear();
    b.claim.reset();  // it was nobody any more
    c.claim.reset();
    a.claim.reset();
    CPPUNIT_ASSERT_EQUAL(std::string(), log);
    d.want(streams);
    CPPUNIT_ASSERT_EQUAL(std::string("d has it. "), log);
  }
  void claims_may_outlive_it() {
    std::string log;
    Guest a(log, "a"), b(log, "b");
    {
      OpenStreams streams;
      a.want(streams);
      b.want(streams);
    }
    log.clear();
    a.claim.reset();
    CPPUNIT_ASSERT_EQUAL(std::string("b has it. "), log);
    b.claim.reset();
  }
  void one_at_a_time_in_many_threads() {
    OpenStreams streams;
    std::atomic<int> inside{0}, most{0}, served{0};
    const auto run = [&] {
      for (int turn = 0; turn < 500; ++turn) {
        std::atomic<int> state{0};
        Claim claim = streams.claim("s", {[&] { state |= 1; }, [&] { state |= 2; }});
        while (state == 0) std::this_thread::yield();
        if ((state & 1) != 0) {
          most = std::max(most.load(), ++inside);
          ++served;
          --inside;
        }
        claim.reset();
      }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back(run);
    for (std::thread& thread : threads) thread.join();
    CPPUNIT_ASSERT_EQUAL(1, most.load());
    CPPUNIT_ASSERT(served > 0);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(OpenStreamsTest);

}  // namespace
