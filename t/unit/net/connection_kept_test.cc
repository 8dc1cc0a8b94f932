// Input that a handler left in the connection, and the end of the input behind it.
#include "net/connection.h"
#include "recorder.h"

#include <algorithm>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

class ConnectionKeptTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ConnectionKeptTest);
  CPPUNIT_TEST(resumed_at_the_end_of_input);
  CPPUNIT_TEST(resumed_while_choked_at_the_end_of_input);
  CPPUNIT_TEST(paused_again_for_each_piece_at_the_end_of_input);
  CPPUNIT_TEST_SUITE_END();

  static constexpr size_t piece = 4;

  // Takes a piece at a time, answers it with `answer`, and pauses.
  static void take_pieces(Session& s, const std::string& answer) {
    s.handler.take = [&s, answer](std::string_view bytes) {
      s.handler.connection->pause_reading();
      s.handler.connection->write(answer);
      return std::min(bytes.size(), piece);
    };
  }
  // "one.two.", of which the first piece is taken, and the end behind it.
  static void send_two(Session& s) {
    s.peer.send("one.two.");
    s.peer.shut_write();
    s.until([&] { return s.handler.calls == 1; });
    spin(*s.loop);
    CPPUNIT_ASSERT_EQUAL(std::string("one."), s.handler.data);
    CPPUNIT_ASSERT(!s.handler.closed);
  }
  static void until_closed_reading(Session& s) {
    s.until(
        [&] {
          s.peer.receive();
          return s.handler.closed.has_value();
        },
        "on_closed");
    s.peer.receive();
    CPPUNIT_ASSERT_EQUAL(CloseReason::peer_closed, *s.handler.closed);
  }

  void resumed_at_the_end_of_input() {
    Session s;
    take_pieces(s, "ok.");
    send_two(s);
    s.handler.take = [&](std::string_view bytes) {
      s.handler.connection->write("ok.");
      return bytes.size();
    };
    s.handler.connection->resume_reading();
    until_closed_reading(s);
    CPPUNIT_ASSERT_EQUAL(std::string("one.two."), s.handler.data);
    CPPUNIT_ASSERT_EQUAL(std::string("ok.ok."), s.peer.received);
  }

  void resumed_while_choked_at_the_end_of_input() {
    ConnectionLimits limits;
    limits.output_high = 64 << 10;
    Session s(16 << 10, limits);
    const std::string answer = pattern(4 << 20);
    take_pieces(s, answer);
    send_two(s);
    CPPUNIT_ASSERT(s.handler.connection->unsent() > limits.output_high);
    s.handler.take = nullptr;
    s.handler.connection->resume_reading();
    spin(*s.loop);  // nothing is offered yet, since nobody reads the answer
    CPPUNIT_ASSERT_EQUAL(1, s.handler.calls);
    until_closed_reading(s);
    CPPUNIT_ASSERT_EQUAL(std::string("one.two."), s.handler.data);
    CPPUNIT_ASSERT(s.peer.received == answer);
  }

  void paused_again_for_each_piece_at_the_end_of_input() {
    Session s;
    take_pieces(s, "ok.");
    send_two(s);
    s.handler.connection->resume_reading();
    s.until([&] { return s.handler.calls == 2 || s.handler.closed; });
    CPPUNIT_ASSERT_EQUAL(std::string("one.two."), s.handler.data);
    spin(*s.loop);
    CPPUNIT_ASSERT(!s.handler.closed);  // paused: it may have more to say
    s.handler.connection->write("more.");
    s.handler.connection->resume_reading();
    until_closed_reading(s);
    CPPUNIT_ASSERT_EQUAL(std::string("ok.ok.more."), s.peer.received);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ConnectionKeptTest);

}  // namespace
