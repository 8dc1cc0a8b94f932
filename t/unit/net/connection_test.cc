// Bytes in and out of a Connection: what is taken, kept, held back and sent.
#include "net/connection.h"

#include "recorder.h"

#include <linux/tcp.h>
#include <netinet/in.h>

#include <algorithm>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

class ConnectionTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ConnectionTest);
  CPPUNIT_TEST(echo);
  CPPUNIT_TEST(byte_by_byte_with_partial_consumption);
  CPPUNIT_TEST(one_write_for_one_batch);
  CPPUNIT_TEST(write_from_outside_a_callback);
  CPPUNIT_TEST(pause_keeps_bytes_and_resume_offers_them_again);
  CPPUNIT_TEST(pause_and_resume_within_on_data);
  CPPUNIT_TEST(input_limit);
  CPPUNIT_TEST(taking_more_than_was_offered_is_taking_all);
  CPPUNIT_TEST(a_peer_that_does_not_read_stops_our_reading);
  CPPUNIT_TEST(a_greedy_peer_leaves_others_their_turn);
  CPPUNIT_TEST(large_output_and_drained);
  CPPUNIT_TEST(drained_without_output);
  CPPUNIT_TEST(socket_options);
  CPPUNIT_TEST(bad_descriptor_is_told_by_on_closed);
  CPPUNIT_TEST_SUITE_END();

  void echo() {
    Session s;
    s.handler.echo = true;
    s.peer.send("hello");
    s.until_received(5);
    CPPUNIT_ASSERT_EQUAL(std::string("hello"), s.peer.received);
    CPPUNIT_ASSERT_EQUAL(uint64_t{5}, s.handler.connection->bytes_in());
    CPPUNIT_ASSERT_EQUAL(uint64_t{5}, s.handler.connection->bytes_out());
    CPPUNIT_ASSERT_EQUAL(s.loop.get(), &s.handler.connection->loop());
    s.peer.close();
    s.until_closed();
    CPPUNIT_ASSERT_EQUAL(CloseReason::peer_closed, *s.handler.closed);
  }

  void byte_by_byte_with_partial_consumption() {
    // A line reader: takes whole lines only, all that are there.
    Session s;
    std::vector<std::string> lines;
    s.handler.take = [&](std::string_view bytes) {
      size_t taken = 0, end = 0;
      while ((end = bytes.find('\n', taken)) != std::string_view::npos) {
        lines.emplace_back(bytes.substr(taken, end - taken));
        taken = end + 1;
      }
      return taken;
    };
    const std::string text = "one\ntwo\n\nthree\nrest";
    for (const char c : text) {
      const int before = s.handler.calls;
      s.peer.send({&c, 1});
      s.until([&] { return s.handler.calls > before; });
    }
    CPPUNIT_ASSERT(lines == (std::vector<std::string>{"one", "two", "", "three"}));
    s.peer.send(" of it\na\nb\nc");
    s.until([&] { return lines.size() == 7; });
    CPPUNIT_ASSERT_EQUAL(std::string("rest of it"), lines[4]);
    CPPUNIT_ASSERT_EQUAL(std::string("b"), lines[6]);
  }

  void one_write_for_one_batch() {
    TcpPair pair;
    UniqueFd probe(::dup(pair.ours.get()));
    auto loop = make_loop();
    Recorder handler;
    handler.accept(*loop, std::move(pair.ours));
    RawPeer peer(std::move(pair.theirs));
    handler.take = [&](std::string_view bytes) {
      for (int i = 0; i < 100; ++i) handler.connection->write("250 2.1.0 OK\r\n");
      return bytes.size();
    };
    peer.send("x");
    run_until(*loop, [&] {
      peer.receive();
      return peer.received.size() == 1400;
    });
    tcp_info info{};
    socklen_t length = sizeof info;
    CPPUNIT_ASSERT_EQUAL(0, ::getsockopt(probe.get(), IPPROTO_TCP, TCP_INFO, &info, &length));
    CPPUNIT_ASSERT_EQUAL(1U, info.tcpi_data_segs_out);
    handler.connection.reset();
  }

  void write_from_outside_a_callback() {
    Session s;
    spin(*s.loop);
    s.handler.connection->write("220 ");
    s.handler.connection->write("ready");
    CPPUNIT_ASSERT_EQUAL(size_t{9}, s.handler.connection->unsent());
    s.until_received(9);
    CPPUNIT_ASSERT_EQUAL(std::string("220 ready"), s.peer.received);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, s.handler.connection->unsent());
  }

  void pause_keeps_bytes_and_resume_offers_them_again() {
    Session s;
    bool stop = true;
    s.handler.take = [&](std::string_view bytes) -> size_t {
      if (!stop) return bytes.size();
      s.handler.connection->pause_reading();
      return 4;
    };
    s.peer.send("MAIL|RCPT");
    s.until([&] { return s.handler.calls == 1; });
    s.peer.send("|DATA");
    spin(*s.loop);
    CPPUNIT_ASSERT_EQUAL(1, s.handler.calls);
    s.handler.connection->resume_reading();
    CPPUNIT_ASSERT_EQUAL(1, s.handler.calls);  // not from inside the call
    s.until([&] { return s.handler.data.size() == 8; });
    spin(*s.loop);
    CPPUNIT_ASSERT_EQUAL(std::string("MAIL|RCP"), s.handler.data);  // it paused again
    stop = false;
    s.handler.connection->resume_reading();
    s.handler.connection->resume_reading();
    s.until([&] { return s.handler.data.size() == 14; });
    CPPUNIT_ASSERT_EQUAL(std::string("MAIL|RCPT|DATA"), s.handler.data);
  }

  void pause_and_resume_within_on_data() {
    Session s;
    s.handler.take = [&](std::string_view) -> size_t {
      s.handler.connection->pause_reading();
      s.handler.connection->resume_reading();
      return 1;
    };
    s.peer.send("abc");
    s.until([&] { return s.handler.data == "abc"; }, "all, one byte a call");
  }

  void input_limit() {
    ConnectionLimits limits;
    limits.input_limit = 1000;
    Session s(0, limits);
    s.handler.take = [](std::string_view) -> size_t { return 0; };
    s.peer.send(std::string(1000, 'x'));
    s.until([&] { return s.handler.largest == 1000; });
    CPPUNIT_ASSERT(!s.handler.closed);
    s.peer.send("x");
    s.until_closed();
    CPPUNIT_ASSERT_EQUAL(CloseReason::reset, *s.handler.closed);
    CPPUNIT_ASSERT(s.handler.detail.find("1000 bytes") != std::string::npos);
  }

  void taking_more_than_was_offered_is_taking_all() {
    Session s;
    s.handler.take = [](std::string_view bytes) { return bytes.size() + 1000; };
    s.peer.send("ab");
    s.until([&] { return s.handler.calls == 1; });
    s.peer.send("cd");
    s.until([&] { return s.handler.calls == 2; });
    CPPUNIT_ASSERT_EQUAL(std::string("abcd"), s.handler.data);
  }

  void a_peer_that_does_not_read_stops_our_reading() {
    ConnectionLimits limits;
    limits.output_high = 64 << 10;
    Session s(16 << 10, limits);
    size_t most = 0;
    s.handler.take = [&](std::string_view bytes) {
      std::string reply;
      for (size_t i = 0; i < bytes.size(); ++i) reply += "ab";  // twice as much
      s.handler.connection->write(reply);
      most = std::max(most, s.handler.connection->unsent());
      return bytes.size();
    };
    const std::string flood = pattern(1 << 16);
    size_t sent = 0;
    // Sends until nothing more fits for a long while, never reads.
    for (int idle = 0; idle < 200;) {
      const size_t put = s.peer.send_some(flood);
      sent += put;
      idle = put > 0 ? 0 : idle + 1;
      spin(*s.loop, 2);
    }
    CPPUNIT_ASSERT(s.handler.connection->bytes_in() < sent);  // the rest waits in the kernel
    CPPUNIT_ASSERT_MESSAGE(fmt::format("{} bytes unsent", most), most <= (64 << 10) + 2 * (64 << 10));
    const size_t waiting = s.handler.connection->unsent();
    CPPUNIT_ASSERT(waiting > (64 << 10));
    // When it reads at last, everything comes.
    s.until(
        [&] {
          s.peer.receive();
          return s.peer.received.size() == 2 * sent;
        },
        "all the output");
    CPPUNIT_ASSERT_EQUAL(uint64_t{sent}, s.handler.connection->bytes_in());
  }

  void a_greedy_peer_leaves_others_their_turn() {
    Session s;
    TcpPair other_pair;
    Recorder other;
    RawPeer other_peer(std::move(other_pair.theirs));
    other.accept(*s.loop, std::move(other_pair.ours));
    const std::string flood = pattern(4 << 20);
    size_t sent = s.peer.send_some(flood);
    CPPUNIT_ASSERT(sent > (200 << 10));
    other_peer.send("me too");
    s.until([&] { return !other.data.empty(); });
    CPPUNIT_ASSERT_MESSAGE("the greedy one was drained first", s.handler.data.size() < sent);
    CPPUNIT_ASSERT(s.handler.largest <= (64 << 10));
    s.until([&] { return s.handler.data.size() == sent; });
    CPPUNIT_ASSERT(s.handler.data == flood.substr(0, sent));
    other.connection.reset();
  }

  void large_output_and_drained() {
    Session s(32 << 10);
    const std::string body = pattern(3 << 20);
    s.handler.connection->write(body);
    s.handler.connection->want_drained();
    spin(*s.loop);
    CPPUNIT_ASSERT_EQUAL(std::string(), s.handler.events);
    s.until([&] {
      s.peer.receive();
      return !s.handler.events.empty();
    });
    CPPUNIT_ASSERT_EQUAL(size_t{0}, s.handler.connection->unsent());
    // Streaming: each part when the one before has gone.
    int parts = 0;
    s.handler.drained = [&] {
      if (++parts > 50) return;
      s.handler.connection->write(body.substr(0, 1000));
      s.handler.connection->want_drained();
    };
    s.handler.connection->want_drained();
    s.until_received(body.size() + 50000);
    s.until([&] { return parts == 51; });
    CPPUNIT_ASSERT(s.peer.received.starts_with(body));
    CPPUNIT_ASSERT_EQUAL(body.size() + 50000, s.peer.received.size());
  }

  void drained_without_output() {
    Session s;
    s.handler.connection->want_drained();
    CPPUNIT_ASSERT_EQUAL(std::string(), s.handler.events);
    s.until([&] { return s.handler.events == "drained "; });
    spin(*s.loop);
    CPPUNIT_ASSERT_EQUAL(std::string("drained "), s.handler.events);
  }

  void socket_options() {
    SocketOptions options;
    options.ttl = 17;
    options.tos = 0x28;
    options.linger_seconds = 0;
    Session s(0, {}, options);
    const int fd = s.handler.connection->fd();
    int value = 0;
    socklen_t length = sizeof value;
    ::getsockopt(fd, IPPROTO_IP, IP_TTL, &value, &length);
    CPPUNIT_ASSERT_EQUAL(17, value);
    ::getsockopt(fd, IPPROTO_IP, IP_TOS, &value, &length);
    CPPUNIT_ASSERT_EQUAL(0x28, value);
    ::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &length);
    CPPUNIT_ASSERT(value != 0);
    CPPUNIT_ASSERT((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    s.handler.connection->close();  // linger 0: an RST
    s.until([&] { return !s.peer.receive(); });
    CPPUNIT_ASSERT_EQUAL(ECONNRESET, s.peer.error);
  }

  void bad_descriptor_is_told_by_on_closed() {
    auto loop = make_loop();
    Recorder handler;
    handler.accept(*loop, UniqueFd());
    CPPUNIT_ASSERT(!handler.closed);
    run_until(*loop, [&] { return handler.closed.has_value(); });
    CPPUNIT_ASSERT_EQUAL(std::string("closed "), handler.events);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ConnectionTest);

}  // namespace
