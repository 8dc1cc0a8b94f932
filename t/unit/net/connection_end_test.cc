// How a Connection ends: by the peer, a deadline, finish(), close(), or its destruction.
#include "net/connection.h"
#include "recorder.h"

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;
using namespace std::chrono_literals;

namespace {

class ConnectionEndTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ConnectionEndTest);
  CPPUNIT_TEST(half_close_gets_its_answers);
  CPPUNIT_TEST(half_close_waits_for_a_paused_handler);
  CPPUNIT_TEST(reset_by_the_peer);
  CPPUNIT_TEST(last_words_before_a_reset_are_read);
  CPPUNIT_TEST(broken_pipe_on_a_unix_socket);
  CPPUNIT_TEST(deadline_once_restart_and_cancel);
  CPPUNIT_TEST(closing_in_the_deadline_is_a_timeout);
  CPPUNIT_TEST(finish_lets_the_peer_read_the_last_reply);
  CPPUNIT_TEST(finish_ends_the_lingering);
  CPPUNIT_TEST(finish_of_a_peer_that_never_reads);
  CPPUNIT_TEST(close_drops_output_and_reports_later);
  CPPUNIT_TEST(calls_after_the_end_do_nothing);
  CPPUNIT_TEST(destroyed_in_every_callback);
  CPPUNIT_TEST(destroyed_from_outside);
  CPPUNIT_TEST(destroyed_while_unsent_and_kicked);
  CPPUNIT_TEST(exception_of_a_handler_closes_only_that_connection);
  CPPUNIT_TEST_SUITE_END();

  void half_close_gets_its_answers() {
    Session s(16 << 10);
    const std::string answer = pattern(1 << 20);
    s.handler.take = [&](std::string_view bytes) {
      s.handler.connection->write(answer);
      return bytes.size();
    };
    s.peer.send("QUIT\r\n");
    s.peer.shut_write();
    s.until([&] {
      s.peer.receive();
      return s.handler.closed.has_value();
    });
    while (s.peer.receive() && s.peer.received.size() < answer.size()) {
    }
    CPPUNIT_ASSERT_EQUAL(CloseReason::peer_closed, *s.handler.closed);
    CPPUNIT_ASSERT(s.peer.received == answer);
    CPPUNIT_ASSERT(s.peer.ended);
  }

  void half_close_waits_for_a_paused_handler() {
    Session s;
    s.handler.take = [&](std::string_view bytes) {
      s.handler.connection->pause_reading();
      return bytes.size();
    };
    s.peer.send("commit");
    s.peer.shut_write();
    s.until([&] { return s.handler.calls == 1; });
    spin(*s.loop);
    CPPUNIT_ASSERT(!s.handler.closed);
    s.handler.connection->write("250 OK");
    s.handler.connection->resume_reading();
    s.until_closed();
    s.peer.receive();
    CPPUNIT_ASSERT_EQUAL(std::string("250 OK"), s.peer.received);
    CPPUNIT_ASSERT_EQUAL(CloseReason::peer_closed, *s.handler.closed);
  }

  void reset_by_the_peer() {
    Session s;
    s.peer.reset();
    s.until_closed();
    CPPUNIT_ASSERT_EQUAL(CloseReason::reset, *s.handler.closed);
    CPPUNIT_ASSERT_EQUAL(std::string("read: Connection reset by peer"), s.handler.detail);
  }

  void last_words_before_a_reset_are_read() {
    Session s;
    spin(*s.loop);
    // 421 and gone; our next writes meet an RST before the loop looks at the input.
    s.peer.send("421 bye");
    s.peer.close();
    ::send(s.handler.connection->fd(), "x", 1, MSG_NOSIGNAL);  // provokes the RST
    s.handler.connection->write("MAIL FROM:<>\r\n");
    s.until_closed();
    CPPUNIT_ASSERT_EQUAL(std::string("421 bye"), s.handler.data);
  }

  void broken_pipe_on_a_unix_socket() {
    int fds[2];
    CPPUNIT_ASSERT_EQUAL(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    auto loop = make_loop();
    Recorder handler;
    handler.accept(*loop, UniqueFd(fds[0]));
    CPPUNIT_ASSERT(handler.connection->peer().is_unix());
    UniqueFd peer(fds[1]);
    ::shutdown(peer.get(), SHUT_RD);  // alive, but takes no more
    handler.connection->write("x");
    run_until(*loop, [&] { return handler.closed.has_value(); });
    CPPUNIT_ASSERT_EQUAL(CloseReason::reset, *handler.closed);
    CPPUNIT_ASSERT_EQUAL(std::string("write: Broken pipe"), handler.detail);
  }

  void deadline_once_restart_and_cancel() {
    Session s;
    s.handler.connection->deadline(1h);
    s.handler.connection->deadline(5ms);
    s.until([&] { return !s.handler.events.empty(); });
    CPPUNIT_ASSERT_EQUAL(std::string("deadline "), s.handler.events);
    s.handler.connection->deadline(1ms);
    s.handler.connection->deadline(0us);
    bool later = false;
    Timer timer(*s.loop, [&] { later = true; });
    timer.start(10ms);
    s.until([&] { return later; });
    CPPUNIT_ASSERT_EQUAL(std::string("deadline "), s.handler.events);
    s.handler.echo = true;  // and the connection goes on
    s.peer.send("still here");
    s.until_received(10);
  }

  void closing_in_the_deadline_is_a_timeout() {
    for (const bool orderly : {true, false}) {
      Session s;
      s.handler.deadline = [&] {
        s.handler.connection->write("421 4.4.2 too slow\r\n");
        if (orderly)
          s.handler.connection->finish();
        else
          s.handler.connection->close();
      };
      s.handler.connection->deadline(1ms);
      s.until([&] {
        s.peer.receive();
        if (s.peer.ended) s.peer.close();
        return s.handler.closed.has_value();
      });
      CPPUNIT_ASSERT_EQUAL(CloseReason::timeout, *s.handler.closed);
      CPPUNIT_ASSERT_EQUAL(std::string(orderly ? "421 4.4.2 too slow\r\n" : ""), s.peer.received);
    }
  }

  void finish_lets_the_peer_read_the_last_reply() {
    // The peer goes on sending for a while after the server gave up on it.
    Session s;
    const std::string reply = "552 5.3.4 too big\r\n" + pattern(100 << 10);
    s.handler.take = [&](std::string_view bytes) {
      s.handler.connection->write(reply);
      s.handler.connection->finish();
      s.handler.connection->write("never seen");
      return bytes.size();
    };
    const std::string flood = pattern(8 << 20);
    size_t sent = s.peer.send_some(flood);
    s.until([&] { return s.handler.calls == 1; });
    for (int i = 0; i < 50; ++i) {
      sent += s.peer.send_some(flood);
      spin(*s.loop, 3);
    }
    CPPUNIT_ASSERT(sent > (1 << 20));
    s.until([&] {
      s.peer.receive();
      return s.peer.ended || s.peer.error != 0;
    });
    CPPUNIT_ASSERT_EQUAL(0, s.peer.error);
    CPPUNIT_ASSERT(s.peer.received == reply);
    s.peer.close();
    s.until_closed();
    CPPUNIT_ASSERT_EQUAL(CloseReason::local, *s.handler.closed);
    CPPUNIT_ASSERT_EQUAL(1, s.handler.calls);
  }

  void finish_ends_the_lingering() {
    Session s;
    s.handler.connection->write("bye");
    s.handler.connection->finish();
    s.handler.connection->finish();
    s.until_closed();  // the peer never closes
    CPPUNIT_ASSERT_EQUAL(CloseReason::local, *s.handler.closed);
    s.peer.receive();
    CPPUNIT_ASSERT_EQUAL(std::string("bye"), s.peer.received);
    CPPUNIT_ASSERT(s.peer.ended);
  }

  void finish_of_a_peer_that_never_reads() {
    SocketOptions options;
    options.linger_seconds = 1;
    Session s(16 << 10, {}, options);
    s.handler.connection->write(pattern(8 << 20));
    s.handler.connection->deadline(1ms);  // must not call any more
    s.handler.connection->finish();
    s.until_closed();
    CPPUNIT_ASSERT_EQUAL(CloseReason::local, *s.handler.closed);
    CPPUNIT_ASSERT(!s.handler.detail.empty());
    CPPUNIT_ASSERT_EQUAL(std::string("closed "), s.handler.events);
  }

  void close_drops_output_and_reports_later() {
    Session s;
    s.handler.connection->write("lost");
    s.handler.connection->close();
    s.handler.connection->close();
    CPPUNIT_ASSERT(!s.handler.closed);
    CPPUNIT_ASSERT_EQUAL(-1, s.handler.connection->fd());
    s.until_closed();
    CPPUNIT_ASSERT_EQUAL(CloseReason::local, *s.handler.closed);
    s.peer.receive();
    CPPUNIT_ASSERT_EQUAL(std::string(), s.peer.received);
    CPPUNIT_ASSERT(s.peer.ended);
  }

  void calls_after_the_end_do_nothing() {
    Session s;
    s.handler.drop_on_close = false;
    s.peer.close();
    s.until_closed();
    Connection& c = *s.handler.connection;
    c.write("x");
    c.want_drained();
    c.pause_reading();
    c.resume_reading();
    c.deadline(1ms);
    c.finish();
    c.close();
    c.start_tls_server(nullptr);
    bool later = false;
    Timer timer(*s.loop, [&] { later = true; });
    timer.start(10ms);
    s.until([&] { return later; });
    CPPUNIT_ASSERT_EQUAL(std::string("closed "), s.handler.events);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, c.unsent());
  }

  void destroyed_in_every_callback() {
    {  // on_data, with bytes kept from before
      Session s;
      s.handler.take = [&](std::string_view bytes) -> size_t {
        if (s.handler.calls == 1) return 1;
        s.handler.connection.reset();
        return bytes.size();
      };
      s.peer.send("abc");
      s.until([&] { return s.handler.calls == 1; });
      s.peer.send("def");
      s.until([&] { return !s.handler.connection; });
      spin(*s.loop);
      CPPUNIT_ASSERT(!s.handler.closed);
      while (s.peer.receive()) {
      }
    }
    {  // on_data, closed and then destroyed, with output
      Session s;
      s.handler.take = [&](std::string_view bytes) -> size_t {
        s.handler.connection->write(bytes);
        s.handler.connection->close();
        s.handler.connection.reset();
        return 0;
      };
      s.peer.send("abc");
      s.until([&] { return !s.handler.connection; });
      spin(*s.loop);
      CPPUNIT_ASSERT(!s.handler.closed);
    }
    {
      Session s;
      s.handler.deadline = [&] { s.handler.connection.reset(); };
      s.handler.connection->deadline(1ms);
      s.until([&] { return !s.handler.connection; });
    }
    {
      Session s;
      s.handler.drained = [&] { s.handler.connection.reset(); };
      s.handler.connection->want_drained();
      s.until([&] { return !s.handler.connection; });
      CPPUNIT_ASSERT(!s.handler.closed);
    }
    {
      TcpPair pair;
      auto loop = make_loop();
      UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const Endpoint to = listen_somewhere(listener.get());
      Recorder handler;
      handler.connected = [&] { handler.connection.reset(); };
      handler.connection = std::move(*Connection::connect(*loop, to, std::nullopt, handler));
      run_until(*loop, [&] { return !handler.connection; });
    }
  }

  void destroyed_from_outside() {
    Session s;
    s.handler.take = [](std::string_view) -> size_t { return 0; };
    s.peer.send("kept");
    s.until([&] { return s.handler.calls == 1; });
    s.peer.send("in the kernel");
    s.handler.connection.reset();
    spin(*s.loop);
    CPPUNIT_ASSERT(!s.handler.closed);
    CPPUNIT_ASSERT_EQUAL(1, s.handler.calls);
  }

  void destroyed_while_unsent_and_kicked() {
    Session s(16 << 10);
    s.handler.connection->write(pattern(1 << 20));
    spin(*s.loop);
    s.handler.connection->want_drained();
    s.handler.connection->pause_reading();
    s.handler.connection->resume_reading();
    s.handler.connection->deadline(0us);
    s.handler.connection->close();
    s.handler.connection.reset();
    spin(*s.loop);
    CPPUNIT_ASSERT_EQUAL(std::string(), s.handler.events);
  }

  void exception_of_a_handler_closes_only_that_connection() {
    Session s;
    TcpPair pair;
    Recorder other;
    other.echo = true;
    RawPeer other_peer(std::move(pair.theirs));
    other.accept(*s.loop, std::move(pair.ours));
    s.handler.take = [](std::string_view) -> size_t { throw std::bad_alloc(); };
    s.peer.send("x");
    other_peer.send("y");
    s.until_closed();
    CPPUNIT_ASSERT_EQUAL(CloseReason::reset, *s.handler.closed);
    CPPUNIT_ASSERT(s.handler.detail.find("internal error") != std::string::npos);
    run_until(*s.loop, [&] {
      other_peer.receive();
      return other_peer.received == "y";
    });
    other.connection.reset();
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ConnectionEndTest);

}  // namespace
