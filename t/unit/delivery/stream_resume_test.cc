// What outlives a connection by ECStream, and what does not: messages under way, the
// time they have, what was learned of the other side.
#include "house.h"
#include "stream_sink.h"

#include "delivery/resumption.h"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace impulse::delivery {
namespace {

using namespace test;
using namespace std::chrono_literals;
using Talk = StreamSink::Talk;

class StreamResumeTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(StreamResumeTest);
  CPPUNIT_TEST(cut_in_its_middle);
  CPPUNIT_TEST(a_login_that_does_not_work_for_now);
  CPPUNIT_TEST(limits_that_have_become_smaller);
  CPPUNIT_TEST(done_by_a_stream_that_is_not_known);
  CPPUNIT_TEST(fewer_recipients_on_each_connection);
  CPPUNIT_TEST(time_runs_on);
  CPPUNIT_TEST(what_goaway_does_not_answer);
  CPPUNIT_TEST(how_long_another_connection_is_tried);
  CPPUNIT_TEST_SUITE_END();

  // A message of which a part had left has had its attempt, whoever was answered before it.
  void cut_in_its_middle() {
    StreamSink sink([](Talk& talk) {
      talk.open();
      if (talk.connection > 1) return talk.take_all();
      talk.take(talk.message());
      talk.send(FrameType::ping);
      for (bool begun = false, heard = false; !begun || !heard;) {
        const auto got = talk.next();
        begun |= got.type == FrameType::message;
        heard |= got.type == FrameType::pong;
      }
    });
    House house(by_stream(sink, "Max_Outbound_Connections = 1"));
    house.submit("s@x.example", {"small@y.example"});
    house.submit("s@x.example", {"large@y.example"}, "Subject: large\r\n\r\n" + std::string(24 << 20, 'x') + "\r\n");
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
    CPPUNIT_ASSERT_EQUAL(2, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, sink.taken().size());
  }

  // The mail that may be there is asked for again, as long as that may pass.
  void a_login_that_does_not_work_for_now() {
    for (const uint16_t code : {454, 535}) {
      StreamSink sink([&](Talk& talk) {
        ecstream::Hello hello = Talk::hello();
        hello.mechanisms = "PLAIN";
        talk.greet(hello);
        talk.next(FrameType::auth);
        const bool works = talk.connection != 2;
        talk.send(FrameType::auth_reply, 0,
                  ecstream::encode(works ? ecstream::AuthReply{ecstream::AuthState::success, {}, 235, "2.7.0", "hello"}
                                         : ecstream::AuthReply{ecstream::AuthState::failure, {}, code, "", "not now"}));
        if (!works) return talk.mute();
        talk.next(FrameType::open);
        talk.send(FrameType::opened, talk.connection == 1 ? 0 : 1, {}, talk.connection == 1 ? 0 : 1);
        talk.message();  // of the first connection: OPENED has it
      });
      House house(
          by_stream(sink, "Outbound_SMTP_AUTH_User = alice\nOutbound_SMTP_AUTH_Pass = sesame\nRetry_Interval = 1h"));
      house.dispatcher->start();
      house.submit("s@x.example", {"a@y.example"});
      house.run_until([&] { return house.lines('D') + house.lines('T') == 1; }, "an outcome");
      const bool passes = code < 500;
      CPPUNIT_ASSERT_EQUAL_MESSAGE(house.mails(), passes ? 1 : 0, house.lines('D'));
      CPPUNIT_ASSERT_EQUAL(passes ? 3 : 2, sink.connections());
    }
  }

  // What was cut for larger frames goes in more messages, and is not too big for anybody.
  void limits_that_have_become_smaller() {
    const std::string domain = std::string(60, 'x') + '.' + std::string(60, 'y') + '.' + std::string(60, 'z');
    StreamSink sink([](Talk& talk) {
      if (talk.connection == 1) {
        talk.open();
        talk.message();
        return;
      }
      ecstream::Hello hello = Talk::hello();
      hello.max_frame = ecstream::smallest_max_frame;
      talk.open(hello, 0);
      talk.take_all();
    });
    House house(by_stream(sink, "Generate_Bounces = false"));
    house.dispatcher->start();
    house.submit("s@x.example", many(95, domain));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL_MESSAGE(house.mails(), 0, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(95, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.frames(FrameType::skip).size());
    CPPUNIT_ASSERT_EQUAL(size_t{2}, sink.taken().size());
    CPPUNIT_ASSERT_EQUAL(2, sink.connections());
  }

  // Who does not know the stream can have nothing of it.
  void done_by_a_stream_that_is_not_known() {
    StreamSink sink([](Talk& talk) {
      if (talk.connection > 2) return StreamSink::good(talk);
      if (talk.connection == 1) {
        talk.open();
        talk.message();
        return;
      }
      talk.greet();
      talk.next(FrameType::open);
      talk.send(FrameType::opened, 1);
      talk.mute();
    });
    House house(by_stream(sink));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.taken().size());
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
  }

  // Each says in HELLO that there is no limit, and ends when it has refused a message for one.
  void fewer_recipients_on_each_connection() {
    StreamSink sink(takes_three_recipients);
    House house(by_stream(sink, "Retry_Interval = 1h\nMax_Deliveries_Per_Connection = 1"));
    house.dispatcher->start();
    house.submit("s@x.example", many(10));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(10, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    CPPUNIT_ASSERT_EQUAL(size_t{4}, sink.taken().size());
    CPPUNIT_ASSERT_EQUAL(5, sink.connections());
  }

  // BY counts from when a message leaves: behind another one, and once more on another connection.
  void time_runs_on() {
    const WallTime deadline = wall_now() + 2s;
    StreamSink sink([&](Talk& talk) {
      ecstream::Hello hello = Talk::hello();
      hello.window = 1;
      if (talk.connection == 1) {
        talk.open(hello);
        CPPUNIT_ASSERT(talk.message().head.deliver_by->seconds <= 2);
        while (wall_now() <= deadline) std::this_thread::sleep_for(20ms);
        return;
      }
      talk.open(hello, 0);
      talk.take_all();
    });
    House house(by_stream(sink, "Max_Outbound_Connections = 1\nGenerate_Bounces = false"));
    for (const char mode : {'N', 'R'})
      house.submit("s@x.example", {fmt::format("{}@y.example", mode)}, "Subject: by\r\n\r\n", Duration{0},
                   [&](message::Envelope& envelope) { envelope.deliver_by = {deadline, mode, false}; });
    house.submit("s@x.example", {"plain@y.example"});
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(2, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    CPPUNIT_ASSERT_MESSAGE(house.mails(), holds(house.mails(), "5.4.7"));
    const auto taken = sink.taken();
    CPPUNIT_ASSERT_EQUAL(size_t{2}, taken.size());
    CPPUNIT_ASSERT(taken[0].head.deliver_by && taken[0].head.deliver_by->mode == 'N');
    CPPUNIT_ASSERT_MESSAGE(fmt::format("{}", taken[0].head.deliver_by->seconds),
                           taken[0].head.deliver_by->seconds <= 0);
    CPPUNIT_ASSERT(!taken[1].head.deliver_by);
  }

  // Of what stands behind the message that it stumbled over it says that it has not taken it;
  // before OPENED it says nothing of the kind.
  void what_goaway_does_not_answer() {
    for (const bool opens : {true, false}) {
      StreamSink sink([&](Talk& talk) {
        if (talk.connection > 2) return StreamSink::good(talk);
        if (talk.connection == 2 && opens) return StreamSink::good(talk);
        if (talk.connection == 2) {
          talk.greet();
          talk.next(FrameType::open);
        } else {
          talk.open();
          const auto first = talk.message();
          for (int i = 0; i < 3; ++i) talk.message();
          talk.take(first);
          if (!opens) return;
        }
        talk.send(FrameType::goaway, opens ? 1 : 0, ecstream::encode_farewell(GoAway::malformed, "what?"));
      });
      House house(by_stream(sink, "Max_Outbound_Connections = 1"));
      for (int i = 0; i < 4; ++i) house.submit("s@x.example", {fmt::format("u{}@y.example", i)});
      house.dispatcher->start();
      house.run_until_empty();
      CPPUNIT_ASSERT_EQUAL(4, house.lines('D'));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(house.mails(), opens ? 1 : 3, house.lines('T'));
      CPPUNIT_ASSERT_EQUAL(size_t{4}, sink.taken().size());
    }
  }

  // Pure: a minute, and one more whenever the other side asks for it, up to Body_Timeout in all.
  void how_long_another_connection_is_tried() {
    const auto until_it_ends = [](Duration most, Duration asks_for) {
      const SteadyTime began{};
      SteadyTime now = began;
      Resumption resumption(most);
      CPPUNIT_ASSERT(resumption.at_most(1h, now) == Duration(1h));
      for (auto again = ecstream::Again::at_once;;) {
        const auto wait = resumption.next(now, again);
        if (!wait) return std::chrono::round<std::chrono::seconds>(now - began).count();
        CPPUNIT_ASSERT(*wait > Duration{0} && *wait <= 8s);
        now += *wait;
        CPPUNIT_ASSERT(resumption.at_most(1h, now) <= 1min);
        again = now - began < asks_for ? ecstream::Again::in_a_while : ecstream::Again::at_once;
      }
    };
    CPPUNIT_ASSERT_EQUAL(60L, until_it_ends(10min, 0s));
    CPPUNIT_ASSERT_EQUAL(20L, until_it_ends(20s, 0s));
    CPPUNIT_ASSERT_EQUAL(20L, until_it_ends(20s, 1h));
    CPPUNIT_ASSERT_EQUAL(600L, until_it_ends(10min, 1h));
    const auto some = until_it_ends(10min, 3min);
    CPPUNIT_ASSERT_MESSAGE(std::to_string(some), some > 220 && some <= 240);
    // An answer, and all begins anew.
    Resumption resumption(10min);
    const SteadyTime now{};
    CPPUNIT_ASSERT(resumption.next(now, ecstream::Again::at_once));
    resumption.answered();
    CPPUNIT_ASSERT(resumption.next(now + 1h, ecstream::Again::at_once));
    CPPUNIT_ASSERT(!resumption.next(now + 2h, ecstream::Again::in_a_while));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StreamResumeTest);

}  // namespace
}  // namespace impulse::delivery
