#include "net/connection.h"

#include "recorder.h"

#include <linux/tcp.h>
#include <netinet/in.h>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;
using namespace std::chrono_literals;

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
  CPPUNIT_TEST(connect_and_names);
  CPPUNIT_TEST(connect_refused);
  CPPUNIT_TEST(connect_with_source_address);
  CPPUNIT_TEST(connect_to_unix_socket);
  CPPUNIT_TEST(connect_then_close_or_finish_at_once);
  CPPUNIT_TEST(waiting_for_a_connect_costs_nothing);
  CPPUNIT_TEST(socket_options);
  CPPUNIT_TEST(bad_descriptor_is_told_by_on_closed);
  CPPUNIT_TEST_SUITE_END();

  struct Session {
    std::unique_ptr<Loop> loop = make_loop();
    Recorder handler;
    RawPeer peer;
    explicit Session(int buffers = 0, const ConnectionLimits& limits = {}, const SocketOptions& options = {}) {
      TcpPair pair(buffers);
      peer = RawPeer(std::move(pair.theirs));
      handler.accept(*loop, std::move(pair.ours), options, limits);
    }
    ~Session() { handler.connection.reset(); }
    void until(const std::function<bool()>& done, std::string_view what = "condition") { run_until(*loop, done, what); }
    void until_closed() {
      until([&] { return handler.closed.has_value(); }, "on_closed");
    }
    void until_received(size_t bytes) {
      until(
          [&] {
            peer.receive();
            return peer.received.size() >= bytes;
          },
          "bytes at the peer");
    }
  };

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

  static Endpoint listen_somewhere(int fd, const char* where = "127.0.0.1:0") {
    const auto any = Endpoint::parse(where, true);
    sockaddr_storage storage{};
    socklen_t length = any->to_sockaddr(storage);
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    CPPUNIT_ASSERT_EQUAL(0, ::bind(fd, address, length));
    CPPUNIT_ASSERT_EQUAL(0, ::listen(fd, 10));
    length = sizeof storage;
    ::getsockname(fd, address, &length);
    return *Endpoint::from_sockaddr(address, length);
  }

  void connect_and_names() {
    for (const char* where : {"127.0.0.1:0", "[::1]:0"}) {
      const bool v4 = where[0] == '1';
      auto loop = make_loop();
      UniqueFd listener(::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const Endpoint to = listen_somewhere(listener.get(), where);
      Recorder client, server;
      server.echo = true;
      auto connection = Connection::connect(*loop, to, std::nullopt, client);
      CPPUNIT_ASSERT(connection.has_value());
      client.connection = std::move(*connection);
      client.connection->write("early");  // before it is up
      CPPUNIT_ASSERT_EQUAL(std::string(), client.events);
      run_until(*loop, [&] { return client.events == "connected "; });
      server.accept(*loop, UniqueFd(::accept(listener.get(), nullptr, nullptr)));
      run_until(*loop, [&] { return client.data == "early"; });
      CPPUNIT_ASSERT(client.connection->peer() == to);
      CPPUNIT_ASSERT(server.connection->local() == to);
      CPPUNIT_ASSERT(server.connection->peer() == client.connection->local());
      CPPUNIT_ASSERT(client.connection->local().port() != 0);
      client.connection.reset();
      run_until(*loop, [&] { return server.closed.has_value(); });
    }
  }

  void connect_refused() {
    auto loop = make_loop();
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Endpoint to = listen_somewhere(listener.get());
    listener.reset();
    Recorder handler;
    auto connection = Connection::connect(*loop, to, std::nullopt, handler);
    if (!connection) return;  // the kernel was quick
    handler.connection = std::move(*connection);
    run_until(*loop, [&] { return handler.closed.has_value(); });
    CPPUNIT_ASSERT_EQUAL(CloseReason::reset, *handler.closed);
    CPPUNIT_ASSERT_EQUAL(std::string("connect: Connection refused"), handler.detail);
    CPPUNIT_ASSERT_EQUAL(std::string("closed "), handler.events);
  }

  void connect_with_source_address() {
    auto loop = make_loop();
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Endpoint to = listen_somewhere(listener.get());
    Recorder handler;
    auto connection = Connection::connect(*loop, to, *IpAddress::parse("127.0.0.2"), handler);
    CPPUNIT_ASSERT(connection.has_value());
    handler.connection = std::move(*connection);
    run_until(*loop, [&] { return handler.events == "connected "; });
    CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.2"), handler.connection->local().address().to_string());
    handler.connection.reset();
    const auto wrong_family = Connection::connect(*loop, to, *IpAddress::parse("::1"), handler);
    CPPUNIT_ASSERT(!wrong_family && wrong_family.error().code == Errc::invalid);
    const auto not_ours = Connection::connect(*loop, to, *IpAddress::parse("192.0.2.77"), handler);
    CPPUNIT_ASSERT(!not_ours);
    CPPUNIT_ASSERT(not_ours.error().message.find("source address 192.0.2.77") != std::string::npos);
  }

  void connect_to_unix_socket() {
    TempDir dir;
    auto loop = make_loop();
    UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    listen_somewhere(listener.get(), (dir / "s").c_str());
    Recorder handler;
    const auto missing = Connection::connect(*loop, Endpoint::unix_socket(dir / "none"), std::nullopt, handler);
    CPPUNIT_ASSERT(!missing && missing.error().code == Errc::not_found);
    auto connection = Connection::connect(*loop, Endpoint::unix_socket(dir / "s"), std::nullopt, handler);
    CPPUNIT_ASSERT(connection.has_value());
    handler.connection = std::move(*connection);
    CPPUNIT_ASSERT_EQUAL(std::string(), handler.events);  // from the loop only
    run_until(*loop, [&] { return handler.events == "connected "; });
    CPPUNIT_ASSERT_EQUAL(dir / "s", handler.connection->peer().path());
    RawPeer peer(UniqueFd(::accept(listener.get(), nullptr, nullptr)));
    peer.send("hello");
    run_until(*loop, [&] { return handler.data == "hello"; });
    handler.connection.reset();
  }

  void connect_then_close_or_finish_at_once() {
    for (const bool orderly : {true, false}) {
      auto loop = make_loop();
      UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const Endpoint to = listen_somewhere(listener.get());
      Recorder handler;
      handler.connection = std::move(*Connection::connect(*loop, to, std::nullopt, handler));
      if (orderly)
        handler.connection->finish();
      else
        handler.connection->close();
      run_until(*loop, [&] { return handler.closed.has_value(); });
      CPPUNIT_ASSERT_EQUAL(std::string("closed "), handler.events);
      CPPUNIT_ASSERT_EQUAL(CloseReason::local, *handler.closed);
    }
  }

  void waiting_for_a_connect_costs_nothing() {
    // Symptom: a loop at full speed when on_drained was wanted before the connection was up.
    auto loop = make_loop();
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Endpoint to = listen_somewhere(listener.get());
    ::listen(listener.get(), 0);
    std::vector<std::unique_ptr<Recorder>> clients;
    for (int i = 0; i < 3; ++i) {  // the last ones do not get through
      clients.push_back(std::make_unique<Recorder>());
      clients.back()->connection = std::move(*Connection::connect(*loop, to, std::nullopt, *clients.back()));
    }
    run_until(*loop, [&] { return !clients[0]->events.empty(); });
    Recorder& waiting = *clients[2];
    CPPUNIT_ASSERT_EQUAL(std::string(), waiting.events);
    waiting.connection->want_drained();
    spin(*loop, 3);
    CPPUNIT_ASSERT_EQUAL(std::string(), waiting.events);
    // The wake-up, and an event for each connection that waits: nothing is due now.
    CPPUNIT_ASSERT(event_base_get_num_events(loop->base(), EVENT_BASE_COUNT_ACTIVE) == 0);
    const int added = event_base_get_num_events(loop->base(), EVENT_BASE_COUNT_ADDED);
    clients.pop_back();
    CPPUNIT_ASSERT_EQUAL(added - 1, event_base_get_num_events(loop->base(), EVENT_BASE_COUNT_ADDED));
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
