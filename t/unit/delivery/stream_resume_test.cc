// What outlives a connection by ECStream, and what does not: messages under way, the
// time they have, what was learned of the other side.
#include "house.h"
#include "stream_sink.h"

#include <string>

namespace impulse::delivery {
namespace {

using namespace test;
using Talk = StreamSink::Talk;

class StreamResumeTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(StreamResumeTest);
  CPPUNIT_TEST(cut_in_its_middle);
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
};

CPPUNIT_TEST_SUITE_REGISTRATION(StreamResumeTest);

}  // namespace
}  // namespace impulse::delivery
