// The client's side against a server that remembers less, or more, than it should.
#include "support.h"

#include "ecstream/client_session.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace ecstream_test;

namespace {

class ClientTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ClientTest);
  CPPUNIT_TEST(a_server_that_has_forgotten);
  CPPUNIT_TEST(a_stream_that_another_writes_to);
  CPPUNIT_TEST_SUITE_END();

  // A connection up to OPENED, and an ACK if there is one; what OPENED led to.
  static ClientEvent connect(ClientStream& stream, uint64_t opened, bool known, uint64_t acknowledged = 0) {
    ClientSession session({}, stream, nullptr);
    ClientOutput out;
    session.start(out);
    Hello theirs;
    theirs.window = 10;
    session.feed(frame(FrameType::hello, 0, 0, encode(theirs, From::server)), out);
    out.events.clear();
    session.feed(frame(FrameType::opened, known ? flag::opened_known : 0, opened, {}), out);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, out.events.size());
    const ClientEvent event = out.events.front();
    session.send(out);
    if (acknowledged > 0) session.feed(frame(FrameType::ack, 0, acknowledged, {}), out);
    return event;
  }
  static void add(ClientStream& stream, int count) {
    for (int n = 0; n < count; ++n) CPPUNIT_ASSERT(stream.add(head(), std::string(small_body), false));
  }

  void a_server_that_has_forgotten() {
    ClientStream stream("s", 0);
    add(stream, 5);
    CPPUNIT_ASSERT(!connect(stream, 0, false).forgotten);     // it never knew it
    CPPUNIT_ASSERT(!connect(stream, 0, false, 3).forgotten);  // nothing was acknowledged
    CPPUNIT_ASSERT(!connect(stream, 3, true).forgotten);
    const ClientEvent event = connect(stream, 3, false);
    CPPUNIT_ASSERT(event.kind == ClientEvent::Kind::opened && event.forgotten);
    // One without a name is never remembered.
    ClientStream nameless("", std::nullopt);
    add(nameless, 5);
    connect(nameless, 0, false, 3);
    CPPUNIT_ASSERT(!connect(nameless, 3, false).forgotten);
  }

  void a_stream_that_another_writes_to() {
    ClientStream stream("s", 2);
    add(stream, 5);
    CPPUNIT_ASSERT(connect(stream, 4, true).kind == ClientEvent::Kind::opened);  // of an earlier program
    CPPUNIT_ASSERT(connect(stream, 7, true).kind == ClientEvent::Kind::opened);  // all that was sent
    add(stream, 2);
    const ClientEvent event = connect(stream, 8, true);
    CPPUNIT_ASSERT(event.kind == ClientEvent::Kind::failed && event.goaway == GoAway::sequence);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, stream.waiting());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClientTest);

}  // namespace
