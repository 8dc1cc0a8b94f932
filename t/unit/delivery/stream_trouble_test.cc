// A next host by ECStream that is silent, breaks off, or says what it should not.
#include "base/text.h"
#include "house.h"
#include "stream_sink.h"

#include <atomic>
#include <functional>
#include <string>
#include <utility>

namespace impulse::delivery {
namespace {

using namespace test;
using telemetry::Counter;
using Talk = StreamSink::Talk;

// How far a server goes before it does what it should not.
enum class Upto : uint8_t { nothing, hello, answered_hello, open, opened, message };
constexpr Upto stages[] = {Upto::nothing, Upto::hello, Upto::answered_hello, Upto::open, Upto::opened, Upto::message};

void go(Talk& talk, Upto upto) {
  if (upto >= Upto::hello) talk.next(FrameType::hello);
  if (upto >= Upto::answered_hello) talk.send(FrameType::hello, 0, encode(Talk::hello(), ecstream::From::server));
  if (upto >= Upto::open) talk.next(FrameType::open);
  if (upto >= Upto::opened) talk.send(FrameType::opened);
  if (upto >= Upto::message) talk.message();
}

class StreamTroubleTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(StreamTroubleTest);
  CPPUNIT_TEST(ends_at_each_stage);
  CPPUNIT_TEST(silence_at_each_stage);
  CPPUNIT_TEST(goaway_at_each_stage);
  CPPUNIT_TEST(nonsense);
  CPPUNIT_TEST(frames_in_pieces);
  CPPUNIT_TEST(more_frames_than_anyone_wants);
  CPPUNIT_TEST(answers_to_pings_are_no_progress);
  CPPUNIT_TEST(a_server_that_reads_nothing);
  CPPUNIT_TEST(one_that_is_full_is_not_waited_for);
  CPPUNIT_TEST(a_frame_is_no_longer_than_is_good_for_us);
  CPPUNIT_TEST_SUITE_END();

  // It takes a hundred and answers none of them before there is another connection for the others.
  void one_that_is_full_is_not_waited_for() {
    StreamSink sink([&](Talk& talk) {
      talk.open();
      if (talk.connection > 1) return talk.take_all();
      std::vector<StreamSink::Message> first;
      while (first.size() < 100) first.push_back(talk.message());
      while (sink.connections() < 2 && !talk.gone()) {
      }
      for (const auto& message : first) talk.take(message);
      talk.take_all();
    });
    House house(by_stream(sink, "Max_Outbound_Connections = 2"));
    for (int i = 0; i < 120; ++i) house.submit("s@x.example", {fmt::format("u{}@y.example", i)});
    house.run_until([&] { return house.dispatcher->size() == 120; });
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(2, sink.connections());
    CPPUNIT_ASSERT_EQUAL(size_t{120}, sink.taken().size());
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

  // And a slow machine has time from there on.
  static void fails_once(House& house, const StreamSink& sink) {
    house.run_until([&] { return house.lines('T') == 1; }, "a failure");
    house.reconfigure(by_stream(sink));
  }

  // What went wrong once is tried again, and arrives once.
  static void recovers(Upto upto, const std::function<void(Talk&)>& what, std::string_view said,
                       const std::string& more = "") {
    StreamSink sink([&](Talk& talk) {
      if (talk.connection > 1) return StreamSink::good(talk);
      go(talk, upto);
      what(talk);
    });
    House house(by_stream(sink, more));
    house.dispatcher->start();
    const std::string name = fmt::format("stage {}", static_cast<int>(upto));
    house.submit("s@x.example", {"a@y.example"});
    if (!said.empty()) fails_once(house, sink);
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL_MESSAGE(name, size_t{1}, sink.taken().size());
    CPPUNIT_ASSERT_EQUAL_MESSAGE(name, 1, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL_MESSAGE(name, 0, house.lines('P'));
    if (said.empty()) {
      // What comes in one piece with OPENED ends a connection that was not ready yet.
      CPPUNIT_ASSERT_MESSAGE(name + house.mails(), house.lines('T') <= (upto == Upto::opened ? 1 : 0));
    } else {
      CPPUNIT_ASSERT_MESSAGE(name + house.mails(), house.lines('T') == 1);
      CPPUNIT_ASSERT_MESSAGE(name + house.mails(), holds(house.mails(), std::string(said)));
    }
  }

  // The first connection has no end but by Body_Timeout.
  static void comes_by_the_second(const StreamSink& sink) {
    House house(by_stream(sink, "Body_Timeout = 2s"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.taken().size());
    CPPUNIT_ASSERT_EQUAL(2, sink.connections());
  }

  // A message that may have arrived is asked for on another connection, and not tried anew.
  void ends_at_each_stage() {
    for (const Upto upto : stages) recovers(upto, [](Talk&) {}, upto >= Upto::opened ? "" : "127.0.0.1:");
  }

  void silence_at_each_stage() {
    for (const Upto upto : stages)
      recovers(
          upto, [](Talk& talk) { talk.mute(); }, upto >= Upto::opened ? "" : "timed out",
          upto >= Upto::opened ? "Body_Timeout = 2s" : "Connect_Timeout = 200ms\nEHLO_Timeout = 200ms");
  }

  void goaway_at_each_stage() {
    for (const Upto upto : stages)
      recovers(
          upto,
          [](Talk& talk) {
            talk.goaway(GoAway::reconfigured, "new\r\nbroom");
            talk.mute();
          },
          upto >= Upto::opened ? "" : R"(GOAWAY reconfigured: new)", "Body_Timeout = 2s");
  }

  // Each ends the connection, and no message counts as taken for it.
  void nonsense() {
    const auto huge = [](FrameType type, uint32_t length) {
      std::string bytes = Talk::frame(type);
      bytes.replace(0, 4,
                    std::string{static_cast<char>(length >> 24), static_cast<char>(length >> 16),
                                static_cast<char>(length >> 8), static_cast<char>(length)});
      return bytes;
    };
    const std::pair<Upto, std::string> cases[] = {
        {Upto::nothing, "220 mx.example ESMTP here\r\n"},
        {Upto::hello, Talk::frame(FrameType::opened)},
        {Upto::hello, Talk::frame(FrameType::hello, 0, "ECSTREAM")},
        {Upto::hello, huge(FrameType::hello, 4097)},
        {Upto::answered_hello, Talk::frame(FrameType::hello, 0, encode(Talk::hello(), ecstream::From::server))},
        {Upto::answered_hello, Talk::frame(FrameType::auth_reply, 0, std::string("\1\0\xEB\0", 4))},
        {Upto::open, Talk::frame(FrameType::ack, 1)},
        {Upto::open, Talk::frame(FrameType::opened, 7)},  // it has what was never sent
        {Upto::open, Talk::frame(FrameType::opened, 0, "x")},
        {Upto::opened, Talk::frame(FrameType::opened)},
        {Upto::opened, Talk::frame(FrameType::ack, 2)},
        {Upto::message, Talk::frame(FrameType::ack, 1000)},
        {Upto::message, Talk::frame(FrameType::ack, UINT64_MAX)},
        {Upto::message, Talk::frame(FrameType::ack, 1, "", ecstream::flag::ack_ids)},
        {Upto::message, Talk::frame(FrameType::ack, 1, "no ids", ecstream::flag::ack_ids)},
        {Upto::message, Talk::frame(FrameType::ack, 1, "", 0x80)},
        {Upto::message, Talk::frame(FrameType::nak, 2, std::string("\2\x26\xFF\xFF\xFF\xFF\0", 7))},
        {Upto::message, Talk::frame(FrameType::nak, 0, std::string("\2\x26\xFF\xFF\xFF\xFF\0", 7))},
        {Upto::message, Talk::frame(FrameType::nak, 1, std::string("\0\xFA\xFF\xFF\xFF\xFF\0", 7))},  // 250
        {Upto::message, Talk::frame(FrameType::nak, 1, "short")},
        {Upto::message, huge(FrameType::nak, 8193)},
        {Upto::message, huge(FrameType::ack, UINT32_MAX)},
        {Upto::message, Talk::frame(FrameType::window, 0, "abc")},
        {Upto::message, Talk::frame(FrameType::message, 1, "mail for you")},
        {Upto::message, Talk::frame(static_cast<FrameType>(0x7F))},
        {Upto::message, Talk::frame(FrameType::ping, 0, std::string(65, 'x'))},
    };
    for (const auto& [upto, bytes] : cases) {
      StreamSink sink([&, upto, bytes](Talk& talk) {
        if (talk.connection > 1) return StreamSink::good(talk);
        go(talk, upto);
        talk.raw(bytes);
        talk.mute();  // until the client goes
      });
      House house(by_stream(sink, "Body_Timeout = 1h\nEHLO_Timeout = 1h\nRetry_Interval = 1h"));
      house.dispatcher->start();
      house.submit("s@x.example", {"a@y.example"});
      house.run_until([&] { return house.lines('T') + house.lines('D') > 0; }, escape_line(bytes, 60));
      const std::string name =
          fmt::format("{} behind {}: {}", escape_line(bytes, 60), static_cast<int>(upto), house.mails());
      // Where the message was not handed over yet it has not failed, and goes by another connection.
      if (upto == Upto::opened && house.lines('D') == 1) continue;
      CPPUNIT_ASSERT_EQUAL_MESSAGE(name, 1, house.lines('T'));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(name, 1, sink.connections());
    }
  }

  void frames_in_pieces() {
    StreamSink sink([](Talk& talk) {
      const auto drip = [&](const std::string& bytes) {
        for (const char c : bytes) talk.raw(std::string(1, c));
      };
      talk.next(FrameType::hello);
      drip(Talk::frame(FrameType::hello, 0, encode(Talk::hello(), ecstream::From::server)));
      talk.next(FrameType::open);
      drip(Talk::frame(FrameType::opened));
      drip(Talk::frame(static_cast<FrameType>(0xC0), 99, "an extension"));
      drip(Talk::frame(FrameType::ping, 0, "are you there?"));
      talk.message();
      drip(Talk::frame(FrameType::nak, 1, ecstream::encode(ecstream::Nak{550, 1, "5.1.1", "nobody"})));
      drip(Talk::frame(FrameType::ack, 1));
      talk.message();
      std::string ids;
      ecstream::append_id(ids, {2, "their/id"});
      drip(Talk::frame(FrameType::ack, 2, ids, ecstream::flag::ack_ids));
      talk.mute();
    });
    House house(by_stream(sink));
    house.dispatcher->start();
    house.submit("", {"a@y.example", "b@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    CPPUNIT_ASSERT_MESSAGE(house.mails(), holds(house.mails(), "250 2.0.0 taken as their/id"));
    CPPUNIT_ASSERT_EQUAL(std::string("are you there?"), sink.frames(FrameType::pong).at(0).payload);
  }

  // They acknowledge nothing; and who sends PINGs without end and reads no PONG is not read without end.
  void more_frames_than_anyone_wants() {
    for (const FrameType type : {FrameType::ping, FrameType::pong, static_cast<FrameType>(0xFF)}) {
      std::atomic<uint64_t> sent = 0;
      StreamSink sink([&, type](Talk& talk) {
        if (talk.connection > 1) return StreamSink::good(talk);
        talk.open();
        std::string many;
        while (many.size() < 100000) many += Talk::frame(type, 0, std::string(64, 'x'));
        for (;;) {
          talk.raw(many);
          sent += many.size();
        }
      });
      comes_by_the_second(sink);
      // What is in the kernel's buffers on the way there and back, and 256 KiB of ours.
      if (type == FrameType::ping) CPPUNIT_ASSERT_MESSAGE(fmt::format("{} bytes", sent.load()), sent < (64 << 20));
    }
  }

  // Whatever it asks, and reads the answers: mail under way is not held for it.
  void answers_to_pings_are_no_progress() {
    StreamSink sink([](Talk& talk) {
      if (talk.connection > 1) return StreamSink::good(talk);
      talk.open();
      talk.message();
      std::string many;
      for (int i = 0; i < 1000; ++i) many += Talk::frame(FrameType::ping, 0, std::string(64, 'x'));
      for (;;) {
        talk.raw(many);
        for (int i = 0; i < 1000; ++i) talk.next(FrameType::pong);
      }
    });
    comes_by_the_second(sink);
  }

  void a_server_that_reads_nothing() {
    StreamSink sink([](Talk& talk) {
      if (talk.connection > 1) return StreamSink::good(talk);
      talk.open();
      while (!talk.gone()) {
      }
    });
    House house(by_stream(sink, "Body_Timeout = 500ms"));
    house.dispatcher->start();
    const std::string body = "Subject: large\r\n\r\n" + std::string(24 << 20, 'x') + "\r\n";
    house.submit("s@x.example", {"a@y.example"}, body);
    fails_once(house, sink);
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
    CPPUNIT_ASSERT(holds(house.mails(), "timed out"));
    CPPUNIT_ASSERT(sink.taken().at(0).body.ends_with(body));
  }

  // Whatever it says that it would take.
  void a_frame_is_no_longer_than_is_good_for_us() {
    StreamSink sink([](Talk& talk) {
      ecstream::Hello hello = Talk::hello();
      hello.max_frame = UINT32_MAX;
      talk.open(hello);
      talk.take_all();
    });
    House house(by_stream(sink));
    house.dispatcher->start();
    const std::string body = "Subject: large\r\n\r\n" + std::string(3 << 20, 'x') + "\r\n";
    house.submit("s@x.example", {"a@y.example"}, body);
    house.run_until_empty();
    CPPUNIT_ASSERT(sink.taken().at(0).body.ends_with(body));
    CPPUNIT_ASSERT(sink.taken().at(0).longest <= 256 << 10);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StreamTroubleTest);

}  // namespace
}  // namespace impulse::delivery
