// The server's half: states, sequences, window, batches, ends.
#include "support.h"

#include "base/text.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace ecstream_test;

namespace {

class SessionTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SessionTest);
  CPPUNIT_TEST(a_message_and_its_id);
  CPPUNIT_TEST(the_example_of_the_document);
  CPPUNIT_TEST(reads_on_while_committing);
  CPPUNIT_TEST(batch_limits);
  CPPUNIT_TEST(doubles_and_gaps);
  CPPUNIT_TEST(resumes);
  CPPUNIT_TEST(refusals_are_remembered);
  CPPUNIT_TEST(skip_and_abort);
  CPPUNIT_TEST(streams_without_a_name);
  CPPUNIT_TEST(open_faults);
  CPPUNIT_TEST(window);
  CPPUNIT_TEST(flush_is_a_barrier);
  CPPUNIT_TEST(failed_commit);
  CPPUNIT_TEST_SUITE_END();

  Store store;

  void a_message_and_its_id() {
    Server server(store);
    server.feed(start());
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\n"), server.said());
    server.feed(msg(1, head(), small_body, flag::message_want_id));
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1 1=00000001/00000000-mx\n"), server.said());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, store.kept.size());
    const Store::Kept& kept = store.kept.front();
    CPPUNIT_ASSERT_EQUAL(std::string(small_body), kept.body);
    CPPUNIT_ASSERT(kept.envelope.sender == "a@example.org" && kept.envelope.client_helo == "app1.example");
    CPPUNIT_ASSERT(kept.envelope.listener == "*:1825" && kept.envelope.client_port == 4711);
    CPPUNIT_ASSERT(kept.trace.starts_with("Received: from app1.example"));
    CPPUNIT_ASSERT(kept.trace.find("with ECSTREAM") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, server.session->messages());
  }

  // doc/ecstream.md §12: byte for byte.
  void the_example_of_the_document() {
    const auto bytes = [](std::string_view hex) {
      std::string out;
      std::string digits;
      for (const char c : hex)
        if (!is_space(c)) digits += c;
      for (size_t at = 0; at + 1 < digits.size(); at += 2)
        out += static_cast<char>(std::stoi(digits.substr(at, 2), nullptr, 16));
      return out;
    };
    Policy policy;
    policy.hostname = "mx.example";
    policy.auth_required = true;
    policy.auth_requires_tls = false;
    policy.auth_sources.push_back({auth::Mechanism::plain, auth::Format::file, "/x", "", true});
    Server server(store, policy);
    server.feed(
        bytes("00000026 01000000 0000000000000000 4543535452454 14d 0001 0001 00000000 01000400010000"
              "07000c617070312e6578616d706c65"));
    const std::string hello_bytes = std::exchange(server.sent, {});
    FrameReader reader(Side::server, smallest_max_frame);
    const auto said = decode_hello(reader.feed(hello_bytes).frame.payload);
    CPPUNIT_ASSERT(said && said->hostname == "mx.example" && said->mechanisms == "PLAIN" && said->window == 4096);
    CPPUNIT_ASSERT(said->max_frame == 262144 && said->max_message == 52428800 && said->idle_seconds == 300);
    CPPUNIT_ASSERT(said->auth_required);
    server.feed(bytes("00000013 02030000 0000000000000000 05504c41494e00616c69636500736573616d65"));
    CPPUNIT_ASSERT(bytes("00000022 03000000 0000000000000000 0100eb05322e372e3041757468656e7469636174696f6e2073756363"
                         "65737366756c") == std::exchange(server.sent, {}));
    server.feed(bytes("0000000b 04010000 0000000000000000 6f72646572732d32303236"));
    CPPUNIT_ASSERT(bytes("00000000 05000000 0000000000000000") == std::exchange(server.sent, {}));
    server.feed(
        bytes("0000004c 10020000 0000000000000001 00000032 01000d61406578616d706c652e6f7267 02000d6240657861"
              "6d706c652e636f6d 03000104 20000b036a6f626e696768746c79 5375626a6563743a2068690d0a0d0a48656c6c"
              "6f0d0a"));
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1 1=00000001/00000000-mx\n"), describe_all(std::exchange(server.sent, {})));
    const message::Envelope& envelope = store.kept.back().envelope;
    CPPUNIT_ASSERT(envelope.recipients.front().notify == message::notify::failure && envelope.user == "alice");
    CPPUNIT_ASSERT(envelope.context.front() == std::make_pair(std::string("job"), std::string("nightly")));
    CPPUNIT_ASSERT(store.kept.back().trace.find("with ECSTREAMA") != std::string::npos);
  }

  void reads_on_while_committing() {
    Server server(store);
    server.hold_commits = true;
    server.feed(start() + msg(1) + msg(2));
    server.said();
    CPPUNIT_ASSERT(server.session->committing());
    CPPUNIT_ASSERT_EQUAL(size_t{2}, server.pending->messages.size());
    server.feed(msg(3) + msg(4) + frame(FrameType::ping, 0, 0, "still here"));
    CPPUNIT_ASSERT(server.left.empty());
    CPPUNIT_ASSERT_EQUAL(std::string("PONG still here\n"), server.said());
    CPPUNIT_ASSERT(store.kept.empty());
    server.complete();
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 2\n"), server.said());
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, server.pending->first);
    CPPUNIT_ASSERT_EQUAL(uint64_t{4}, server.pending->last);
    server.complete();
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 4\n"), server.said());
    CPPUNIT_ASSERT(!server.pending && server.out.next == Next::read && server.out.waiting == Waiting::idle);
  }

  void batch_limits() {
    Policy policy;
    policy.max_batch = 3;
    Server server(store, policy);
    server.hold_commits = true;
    std::string all = start();
    for (uint64_t n = 1; n <= 10; ++n) all += msg(n);
    server.feed(all);
    CPPUNIT_ASSERT(server.out.next == Next::hold && !server.left.empty());
    while (server.pending) {
      server.complete();
      server.resume();
    }
    CPPUNIT_ASSERT(server.left.empty());
    CPPUNIT_ASSERT((std::vector<size_t>{3, 3, 3, 1}) == server.sizes);
    CPPUNIT_ASSERT_EQUAL(std::string("1 2 3 4 5 6 7 8 9 10 "), store.bodies());

    Policy bytes;
    bytes.max_batch_bytes = 100000;
    Server other(store, bytes);
    other.hold_commits = true;
    all = start("t");
    for (uint64_t n = 1; n <= 40; ++n) all += msg(n, head(), std::string(9998, 'x') + "\r\n");
    other.feed(all);
    CPPUNIT_ASSERT(other.out.next == Next::hold && other.session->held() < 250000);
    while (other.pending) {
      other.complete();
      other.resume();
    }
    CPPUNIT_ASSERT_EQUAL(size_t{50}, store.kept.size());
    CPPUNIT_ASSERT_EQUAL(size_t{8}, other.sizes.front());
  }

  void doubles_and_gaps() {
    Server server(store);
    server.feed(start() + msg(1) + msg(2));
    server.said();
    server.feed(msg(1) + msg(2, head("x@relay.example")) + msg(1, head(), "part", flag::more) +
                chunk(1, "\x01\x02\n\r\r") + skip(2) + msg(3));
    const std::string said = server.said();
    CPPUNIT_ASSERT(said.ends_with("ACK 3\n") && said.find("NAK") == std::string::npos);
    CPPUNIT_ASSERT_EQUAL(std::string("1 2 3 "), store.bodies());
    server.feed(msg(5));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY sequence 3\n"), server.said());
    CPPUNIT_ASSERT(server.closed);
    CPPUNIT_ASSERT_EQUAL(std::string("1 2 3 "), store.bodies());
    {
      Server zero(store);
      zero.feed(start("z") + msg(0));
      CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nGOAWAY sequence 0\n"), zero.said());
    }
    // What is under way is not done: a repetition of it is an error, and what came before is answered.
    Server busy(store);
    busy.hold_commits = true;
    busy.feed(start("busy") + msg(1));
    busy.said();
    busy.feed(msg(1));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY sequence 1\n"), busy.said());
    CPPUNIT_ASSERT(!busy.closed);
    busy.complete();
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1\n"), busy.said());
    CPPUNIT_ASSERT(busy.closed);
  }

  void resumes() {
    {
      Server first(store);
      first.hold_commits = true;
      first.feed(start() + msg(1) + msg(2));
      first.complete();    // durable, but the ACK never arrives
      first.feed(msg(3));  // never committed
    }
    Server second(store);
    second.feed(hello() + open("s", 1) + msg(2) + msg(3) + msg(4));
    CPPUNIT_ASSERT_EQUAL(std::string("1 2 3 4 "), store.bodies());
    const std::string said = second.said();
    CPPUNIT_ASSERT(said.starts_with("HELLO\nOPENED 2 known\n") && said.ends_with("ACK 4\n"));
    // The client remembers more than the server: it is right.
    Server third(store);
    third.feed(hello() + open("forgotten", 100) + msg(100) + msg(101));
    CPPUNIT_ASSERT(third.said().starts_with("HELLO\nOPENED 100\n"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{101}, store.kept.back().sequence);
    CPPUNIT_ASSERT_EQUAL(size_t{5}, store.kept.size());
  }

  void refusals_are_remembered() {
    {
      Server server(store);
      server.feed(start() + msg(1) + msg(2, head("x@relay.example")) + msg(3));
      CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nNAK 2 550 5.7.1 r0\nACK 3\n"), server.said());
      CPPUNIT_ASSERT_EQUAL(std::string("550 relay\n"), server.causes);
    }
    Server again(store);
    again.feed(hello() + open("s", 1));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nNAK 2 550 5.7.1 r0 repeated\nOPENED 3 known\n"), again.said());
    Server knows(store);
    knows.feed(hello() + open("s", 2));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 3 known\n"), knows.said());
    // They go when no client can miss them any more: a window further on.
    Policy policy;
    policy.window = 4;
    Server later(store, policy);
    later.feed(hello() + open("s", 3) + msg(4) + msg(5));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, StreamMemory::decode(store.receipts[{"", "s"}])->refused.size());
    later.feed(msg(6));
    CPPUNIT_ASSERT(StreamMemory::decode(store.receipts[{"", "s"}])->refused.empty());
  }

  void skip_and_abort() {
    Server server(store);
    server.feed(start() + skip(1) + msg(2) + msg(3, head(), "part of", flag::more) + chunk(3, " it", flag::more) +
                chunk(3, "", flag::chunk_abort) + msg(4));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nACK 4\n"), server.said());
    CPPUNIT_ASSERT_EQUAL(std::string("2 4 "), store.bodies());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, server.abandoned_);
    // Refused stays refused, whatever becomes of the rest.
    server.feed(msg(5, head("x@relay.example"), "a", flag::more) + chunk(5, "", flag::chunk_abort) + skip(6));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 5 550 5.7.1 r0\nACK 6\n"), server.said());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, StreamMemory::decode(store.receipts[{"", "s"}])->refused.size());
    CPPUNIT_ASSERT_EQUAL(size_t{0}, server.sizes.back());  // a commit of the receipt alone
  }

  void streams_without_a_name() {
    Server server(store);
    server.feed(hello() + open("") + msg(1) + msg(2, head("x@relay.example")));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nNAK 2 550 5.7.1 r0\nACK 2\n"), server.said());
    CPPUNIT_ASSERT(store.receipts.empty());
    // Nothing taken: nothing to commit.
    server.feed(msg(3, head("x@relay.example")) + flush() + skip(4));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 3 550 5.7.1 r0\nACK 4 flushed\n"), server.said());
    CPPUNIT_ASSERT((std::vector<size_t>{1}) == server.sizes);
  }

  void open_faults() {
    const auto said = [&](const std::string& frames, std::optional<Error> failure = std::nullopt) {
      Server server(store);
      server.open_failure = std::move(failure);
      server.feed(hello() + frames);
      const std::string lines = server.said();
      CPPUNIT_ASSERT(server.closed);
      return lines.substr(lines.find('\n') + 1);
    };
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY stream 0\n"), said(open(std::string(65, 'x'))));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY stream 0\n"), said(open("a b")));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY limits 0\n"), said(open("s"), Error{Errc::busy, "x"}));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY denied 0\n"), said(open("s"), Error{Errc::denied, "x"}));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY storage 0\n"), said(open("s"), Error{Errc::io, "x"}));
    Server good(store);
    good.feed(hello() + open(std::string(64, '~'), 0, flag::open_new) + msg(1));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nACK 1\n"), good.said());
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY stream 0\n"), said(open(std::string(64, '~'), 0, flag::open_new)));
    CPPUNIT_ASSERT_EQUAL(std::string("OPENED 18446744073709551615\nGOAWAY sequence 18446744073709551615\n"),
                         said(open("end", UINT64_MAX) + skip(0)));
    // Until its memory is known nothing is taken.
    Server slow(store);
    slow.hold_open = true;
    slow.feed(hello() + open("slow") + msg(1));
    CPPUNIT_ASSERT(slow.out.next == Next::hold && !slow.left.empty() && slow.session->state() == "opening");
    CPPUNIT_ASSERT(slow.out.waiting == Waiting::open);
    slow.session->set_window(7, slow.out);
    CPPUNIT_ASSERT(slow.out.next == Next::hold);
    slow.hold_open = false;
    slow.session->opened(StreamMemory{}, slow.out);
    slow.drain();
    slow.resume();
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nACK 1\n"), slow.said());
  }

  void window() {
    Policy policy;
    policy.window = 3;
    Server server(store, policy);
    server.hold_commits = true;
    server.feed(start() + msg(1) + msg(2) + msg(3));
    server.said();
    server.session->set_window(5, server.out);
    server.drain();
    server.feed(msg(4) + msg(5));
    CPPUNIT_ASSERT_EQUAL(std::string("WINDOW 5\n"), server.said());
    server.session->set_window(0, server.out);  // what was let through stays so
    server.drain();
    CPPUNIT_ASSERT_EQUAL(std::string("WINDOW 0\n"), server.said());
    server.complete();
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 3\n"), server.said());
    server.feed(msg(6));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY window 5\n"), server.said());
    server.complete();
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 5\n"), server.said());
    CPPUNIT_ASSERT(server.closed);
  }

  void flush_is_a_barrier() {
    Server server(store);
    server.hold_commits = true;
    server.feed(start() + flush());
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nACK 0 flushed\n"), server.said());
    // What is behind it is another batch, when the spool is free.
    server.feed(msg(1) + flush() + msg(2) + flush() + msg(3));
    CPPUNIT_ASSERT(server.said().empty() && server.left.empty());
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, server.pending->last);
    server.complete();
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1 flushed\n"), server.said());
    server.complete();
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 3 flushed\n"), server.said());
    server.feed(msg(4));
    server.complete();
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 4\n"), server.said());
  }

  void failed_commit() {
    Server server(store);
    server.hold_commits = true;
    server.feed(start() + msg(1) + msg(2) + skip(3) + msg(4, head("x@relay.example")));
    server.said();
    server.feed(msg(5) + msg(6, head(), "part", flag::more));
    server.fail_commit(Errc::no_space);
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 452 4.3.1\nNAK 2 452 4.3.1\nGOAWAY storage 4\n"), server.said());
    CPPUNIT_ASSERT(server.closed && store.receipts.empty());
    CPPUNIT_ASSERT_EQUAL(size_t{2}, server.abandoned_);
    // The client comes again: the refused ones it skips.
    Server again(store);
    again.feed(hello() + open("s") + skip(1) + skip(2) + skip(3) + skip(4) + msg(5));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nACK 5\n"), again.said());
    CPPUNIT_ASSERT_EQUAL(std::string("5 "), store.bodies());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SessionTest);

}  // namespace
