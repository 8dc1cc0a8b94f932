// What a client can make the server hold, write and believe.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace ecstream_test;

namespace {

class BoundsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BoundsTest);
  CPPUNIT_TEST(files_of_large_bodies);
  CPPUNIT_TEST(envelopes_count);
  CPPUNIT_TEST(small_bodies_take_a_block);
  CPPUNIT_TEST(acknowledgements_that_were_never_given);
  CPPUNIT_TEST(a_skip_pays_for_the_memory_it_writes);
  CPPUNIT_TEST(names_are_text);
  CPPUNIT_TEST_SUITE_END();

  Store store;

  void files_of_large_bodies() {
    Policy policy;
    policy.large_message = 1000;
    Server server(store, policy);
    server.hold_commits = true;
    std::string all = start();
    for (uint64_t n = 1; n <= 200; ++n) all += msg(n, head(), "A: b\r\n\r\n" + std::string(60000, 'x') + "\r\n");
    server.feed(all);
    CPPUNIT_ASSERT(server.out.next == Next::hold);
    int most = 0;
    while (server.pending) {
      most = std::max(most, server.sinks);
      server.complete();
      server.resume();
    }
    CPPUNIT_ASSERT(most > 32 && most <= 64);
    CPPUNIT_ASSERT_EQUAL(size_t{200}, store.kept.size());
  }

  // Of 100 messages that come while one is committed.
  static size_t gathered(Store& store, const MessageHead& head, std::string_view body) {
    Policy policy;
    policy.max_batch_bytes = 100000;
    Server server(store, policy);
    server.hold_commits = true;
    server.feed(start("g") + msg(1));
    std::string all;
    for (uint64_t n = 2; n <= 101; ++n) all += msg(n, head, body);
    server.feed(all);
    server.complete();
    CPPUNIT_ASSERT(server.pending);
    return server.pending->messages.size();
  }

  void envelopes_count() {
    MessageHead large = head();
    for (int n = 0; n < 10; ++n) large.context.emplace_back(std::to_string(n), std::string(2000, 'v'));
    CPPUNIT_ASSERT_EQUAL(size_t{5}, gathered(store, large, small_body));
  }

  void small_bodies_take_a_block() {
    const size_t small = gathered(store, head(), small_body);
    CPPUNIT_ASSERT(small > 30 && small < 40);
  }

  void acknowledgements_that_were_never_given() {
    {
      Server first(store);
      first.feed(start() + msg(1) + msg(2));
    }
    Server more(store);
    more.feed(hello() + open("s", 3));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nGOAWAY stream 0\n"), more.said());
    CPPUNIT_ASSERT(more.closed);
    Server good(store);
    good.feed(hello() + open("s", 2) + msg(3));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 2 known\nACK 3\n"), good.said());
  }

  void a_skip_pays_for_the_memory_it_writes() {
    Server server(store);
    server.hold_commits = true;
    server.feed(start() + skip(1));
    CPPUNIT_ASSERT(server.out.delay == Duration::zero());  // as good as nothing
    server.complete();
    std::string all;
    for (uint64_t n = 2; n <= 2001; ++n) all += msg(n, head("x@relay.example"));
    server.feed(all);
    while (server.pending) {
      server.complete();
      server.resume();
    }
    server.feed(skip(2002));
    CPPUNIT_ASSERT(server.pending && server.pending->receipt.size() > 20000);
    const Duration delay = server.out.delay;
    CPPUNIT_ASSERT(delay >= std::chrono::microseconds(server.pending->receipt.size() / 2) &&
                   delay <= std::chrono::microseconds(server.pending->receipt.size() * 3));
    server.complete();
    CPPUNIT_ASSERT(server.out.delay == Duration::zero());
    // What brings as much as it costs goes at once.
    server.feed(msg(2003, head(), "A: b\r\n\r\n" + std::string(60000, 'x') + "\r\n"));
    CPPUNIT_ASSERT(server.pending && server.out.delay == Duration::zero());
    server.complete();
  }

  void names_are_text() {
    const auto said = [&](std::string_view name) {
      Hello mine;
      mine.hostname = name;
      Server server(store);
      server.feed(frame(FrameType::hello, 0, 0, encode(mine, From::client)));
      return server.said();
    };
    using namespace std::string_view_literals;
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\n"), said("b\xC3\xBC"
                                                      "cher.example"));
    for (const std::string_view bad : {"a\xFFz"sv, "a\0z"sv, "a\r\nz"sv, "a\x7Fz"sv})
      CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY malformed 0\n"), said(bad));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BoundsTest);

}  // namespace
