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
  CPPUNIT_TEST(a_new_one_is_nobody_elses);
  CPPUNIT_TEST(who_does_not_know_it_has_nothing_of_it);
  CPPUNIT_TEST(the_rest_of_a_body_comes_later);
  CPPUNIT_TEST(a_rest_that_is_not_wanted_any_more);
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

  void a_new_one_is_nobody_elses() {
    ClientStream stream = ClientStream::fresh("s");
    const ClientEvent event = connect(stream, 1, false);
    CPPUNIT_ASSERT(event.kind == ClientEvent::Kind::failed && event.goaway == GoAway::sequence);
  }

  void who_does_not_know_it_has_nothing_of_it() {
    for (const std::string_view name : {"s", ""}) {
      ClientStream stream = ClientStream::fresh(std::string(name));
      add(stream, 3);
      connect(stream, 0, false, 1);
      const ClientEvent event = connect(stream, 2, false);
      CPPUNIT_ASSERT(event.kind == ClientEvent::Kind::failed && event.goaway == GoAway::sequence);
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, stream.acknowledged());
      CPPUNIT_ASSERT(connect(stream, 1, false).kind == ClientEvent::Kind::opened);
    }
    ClientStream unnumbered("s", std::nullopt);
    CPPUNIT_ASSERT(connect(unnumbered, 2, false).kind == ClientEvent::Kind::failed);
  }

  // A session that is open, and what it has said since.
  struct Open {
    explicit Open(ClientStream& stream) : session(small_frames(), stream, nullptr) {
      session.start(out);
      Hello theirs;
      theirs.window = 10;
      theirs.max_frame = 1 << 20;
      session.feed(frame(FrameType::hello, 0, 0, encode(theirs, From::server)), out);
      session.feed(frame(FrameType::opened, 0, stream.acknowledged(), {}), out);
      heard();
    }
    // Frames since the last look: "10 1+30000" (type, sequence, MORE, payload), a space behind each.
    std::string heard() {
      std::string all;
      std::string_view bytes = out.reply;
      while (!bytes.empty()) {
        const FrameReader::Result read = reader.feed(bytes);
        bytes.remove_prefix(read.used);
        if (read.event != FrameReader::Event::frame) break;
        if (read.frame.type != FrameType::message && read.frame.type != FrameType::chunk) continue;
        CPPUNIT_ASSERT(read.frame.payload.size() <= 20000);
        all += fmt::format("{:x} {}{} ", static_cast<int>(read.frame.type), read.frame.sequence,
                           (read.frame.flags & flag::more) != 0 ? "+" : "");
        if (read.frame.type == FrameType::chunk && (read.frame.flags & flag::chunk_abort) != 0) all += "abort ";
        if (read.frame.type == FrameType::chunk) chunks += read.frame.payload;
      }
      out.reply.clear();
      return all;
    }
    static ClientSettings small_frames() {
      ClientSettings settings;
      settings.most_frame = 20000;
      return settings;
    }
    ClientSession session;
    ClientOutput out;
    FrameReader reader{Side::client, 1 << 20};
    std::string chunks;
  };

  // On each connection from the beginning; nothing overtakes it.
  void the_rest_of_a_body_comes_later() {
    ClientStream stream = ClientStream::fresh("s");
    CPPUNIT_ASSERT(stream.add(head(), "begins, ", false, 50000));
    add(stream, 1);
    for (int connection = 0; connection < 2; ++connection) {
      Open open(stream);
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, open.session.wants());
      open.session.send(open.out);
      CPPUNIT_ASSERT_EQUAL(std::string("10 1+ "), open.heard());
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, open.session.wants());
      open.session.send(open.out);
      open.session.more(std::string(30000, 'x'), open.out);
      CPPUNIT_ASSERT_EQUAL(std::string("11 1+ 11 1+ "), open.heard());
      if (connection == 0) continue;
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, open.session.sent());
      open.session.more(std::string(20000, 'y') + "beyond", open.out);
      open.session.send(open.out);
      CPPUNIT_ASSERT_EQUAL(std::string("11 1 10 2 "), open.heard());
      CPPUNIT_ASSERT_EQUAL(std::string(30000, 'x') + std::string(20000, 'y'), open.chunks);
      const ClientStream::Span first = stream.span(1);
      const ClientStream::Span second = stream.span(2);
      CPPUNIT_ASSERT(first.from < first.to && first.to == second.from && second.to == open.session.written());
      CPPUNIT_ASSERT(first.to - first.from > 50000 + 4 * frame_header);
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, open.session.wants());
      open.session.more("nobody asked", open.out);
      CPPUNIT_ASSERT(open.out.reply.empty());
    }
  }

  // Refused by the server, or given up by us: ABORT, and the next one.
  void a_rest_that_is_not_wanted_any_more() {
    for (const bool refused : {true, false}) {
      ClientStream stream = ClientStream::fresh("s");
      CPPUNIT_ASSERT(stream.add(head(), "begins, ", false, 50000));
      add(stream, 1);
      Open open(stream);
      open.session.send(open.out);
      open.heard();
      if (refused)
        open.session.feed(frame(FrameType::nak, 0, 1, encode(Nak{552, UINT32_MAX, "5.3.4", "too big"})), open.out);
      else
        stream.give_up(1);
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, open.session.wants());
      open.session.more("late", open.out);
      open.session.send(open.out);
      CPPUNIT_ASSERT_EQUAL(std::string("11 1 abort 10 2 "), open.heard());
      CPPUNIT_ASSERT_EQUAL(uint64_t{2}, open.session.sent());
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClientTest);

}  // namespace
