// Streams by ECStream that go from one connection to the next, and servers with another past.
#include "house.h"
#include "stream_sink.h"

#include "ecstream/wire.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace impulse::delivery {
namespace {

using namespace test;
using Talk = StreamSink::Talk;

constexpr const char* one_each = "Max_Outbound_Connections = 1\nMax_Deliveries_Per_Connection = 1\nRetry_Interval = 1h";

class StreamPoolTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(StreamPoolTest);
  CPPUNIT_TEST(goes_on);
  CPPUNIT_TEST(one_connection_has_it);
  CPPUNIT_TEST(a_server_with_another_past);
  CPPUNIT_TEST(refused_whatever_it_is);
  CPPUNIT_TEST(what_is_in_doubt_is_left);
  CPPUNIT_TEST(down_meanwhile);
  CPPUNIT_TEST_SUITE_END();

  static bool is_new(const StreamSink::Got& open) { return open.flags == ecstream::flag::open_new; }

  // Whether the server knows it still, or has forgotten it.
  void goes_on() {
    for (const bool known : {true, false}) {
      StreamSink sink([known](Talk& talk) {
        talk.open(Talk::hello(), known && talk.connection > 1 ? talk.connection - 1 : -1);
        talk.take_all();
      });
      House house(by_stream(sink, one_each));
      for (int i = 0; i < 5; ++i) house.submit("s@x.example", {fmt::format("u{}@y.example", i)});
      house.dispatcher->start();
      house.run_until_empty();
      CPPUNIT_ASSERT_EQUAL(5, house.lines('D'));
      CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
      const auto opens = sink.frames(FrameType::open);
      const auto taken = sink.taken();
      CPPUNIT_ASSERT_EQUAL(size_t{5}, opens.size());
      CPPUNIT_ASSERT_EQUAL(size_t{5}, taken.size());
      for (size_t i = 0; i < 5; ++i) {
        CPPUNIT_ASSERT_EQUAL(opens[0].payload, opens[i].payload);
        CPPUNIT_ASSERT_EQUAL(i == 0, is_new(opens[i]));
        CPPUNIT_ASSERT_EQUAL(uint64_t{i}, opens[i].sequence);
        CPPUNIT_ASSERT_EQUAL(uint64_t{i + 1}, taken[i].sequence);
      }
    }
  }

  // Those at the same time have one each; then these are enough.
  void one_connection_has_it() {
    StreamSink sink([&](Talk& talk) {
      talk.open();
      if (talk.connection > 2) return talk.take_all();
      std::vector<StreamSink::Message> first;
      while (first.size() < (talk.connection == 1 ? 100 : 1)) first.push_back(talk.message());
      while (sink.connections() < 2 && !talk.gone()) {
      }
      for (const auto& message : first) talk.take(message);
      talk.take_all();
    });
    House house(by_stream(sink, "Max_Outbound_Connections = 2\nIdle_Timeout = 100ms\nRetry_Interval = 1h"));
    for (int i = 0; i < 101; ++i) house.submit("s@x.example", {fmt::format("u{}@y.example", i)});
    house.dispatcher->start();
    for (int i = 0; i < 2; ++i) {
      house.run_until_empty();
      house.run_until([&] { return house.dispatcher->connections().empty(); }, "no connection");
      if (i == 0) house.submit("s@x.example", {"last@y.example"});
    }
    CPPUNIT_ASSERT_EQUAL(102, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    const auto opens = sink.frames(FrameType::open);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, opens.size());
    CPPUNIT_ASSERT(is_new(opens[0]) && is_new(opens[1]) && !is_new(opens[2]));
    CPPUNIT_ASSERT(opens[0].payload != opens[1].payload);
    CPPUNIT_ASSERT(opens[2].payload == opens[0].payload || opens[2].payload == opens[1].payload);
  }

  // A second connection with a new stream, and everything arrives once.
  void a_server_with_another_past() {
    const auto opened = [](uint64_t sequence, uint8_t flags) {
      return [=](Talk& talk) { talk.send(FrameType::opened, sequence, {}, flags); };
    };
    const std::function<void(Talk&)> cases[] = {
        [](Talk& talk) { talk.goaway(GoAway::stream); },  // it has less
        opened(0, ecstream::flag::opened_known),
        opened(2, ecstream::flag::opened_known),  // more: what comes would be taken for doubles
        opened(2, 0),
        opened(UINT64_MAX, ecstream::flag::opened_known),
    };
    for (const auto& says : cases) {
      StreamSink sink([&](Talk& talk) {
        if (talk.connection != 2) return StreamSink::good(talk);
        talk.greet();
        talk.next(FrameType::open);
        says(talk);
        talk.mute();
      });
      House house(by_stream(sink, one_each));
      for (int i = 0; i < 3; ++i) house.submit("s@x.example", {fmt::format("u{}@y.example", i)});
      house.dispatcher->start();
      house.run_until_empty();
      CPPUNIT_ASSERT_EQUAL_MESSAGE(house.mails(), 3, house.lines('D'));
      CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
      CPPUNIT_ASSERT_EQUAL(size_t{3}, sink.taken().size());
      const auto opens = sink.frames(FrameType::open);
      CPPUNIT_ASSERT_EQUAL(size_t{4}, opens.size());
      CPPUNIT_ASSERT(opens[1].payload == opens[0].payload && !is_new(opens[1]));
      CPPUNIT_ASSERT(opens[2].payload != opens[0].payload && is_new(opens[2]) && opens[2].sequence == 0);
      CPPUNIT_ASSERT(opens[3].payload == opens[2].payload && opens[3].sequence == 1);
    }
  }

  // Once.
  void refused_whatever_it_is() {
    StreamSink sink([&](Talk& talk) {
      if (talk.connection == 1) return StreamSink::good(talk);
      talk.greet();
      talk.next(FrameType::open);
      talk.goaway(GoAway::stream);
    });
    House house(by_stream(sink, one_each));
    for (int i = 0; i < 2; ++i) house.submit("s@x.example", {fmt::format("u{}@y.example", i)});
    house.dispatcher->start();
    house.run_until([&] { return house.lines('T') == 1; }, "a failure");
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(3, sink.connections());
  }

  void what_is_in_doubt_is_left() {
    StreamSink sink([&](Talk& talk) {
      if (talk.connection > 2) return StreamSink::good(talk);
      if (talk.connection == 2) {
        talk.greet();
        talk.next(FrameType::open);
        return talk.goaway(GoAway::denied);
      }
      talk.open();
      talk.message();
    });
    House house(by_stream(sink));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    const auto opens = sink.frames(FrameType::open);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, opens.size());
    CPPUNIT_ASSERT_EQUAL(opens[0].payload, opens[1].payload);
    CPPUNIT_ASSERT(opens[2].payload != opens[0].payload && is_new(opens[2]) && opens[2].sequence == 0);
  }

  void down_meanwhile() {
    StreamSink sink;
    House house(by_stream(sink, "Max_Deliveries_Per_Connection = 1"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    house.run_until([&] { return house.dispatcher->connections().empty(); }, "no connection");
    sink.stop();
    house.submit("s@x.example", {"b@y.example"});
    house.run_until([&] { return house.lines('T') == 1; }, "a failure");
    sink.resume();
    house.run_until_empty();
    const auto opens = sink.frames(FrameType::open);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, opens.size());
    CPPUNIT_ASSERT_EQUAL(opens[0].payload, opens[1].payload);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, opens[1].sequence);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StreamPoolTest);

}  // namespace
}  // namespace impulse::delivery
