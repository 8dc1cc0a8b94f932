// Bytes through TLS, and its end.
#include "certs.h"
#include "net/connection.h"
#include "net/tls.h"
#include "recorder.h"

#include <algorithm>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

class TlsConnectionTest : public TlsFixture {
  CPPUNIT_TEST_SUITE(TlsConnectionTest);
  CPPUNIT_TEST(large_transfers_both_ways);
  CPPUNIT_TEST(a_greedy_tls_peer_leaves_others_their_turn);
  CPPUNIT_TEST(bytes_inside_tls_wait_for_a_paused_handler);
  CPPUNIT_TEST(back_pressure_through_tls);
  CPPUNIT_TEST(finish_sends_close_notify);
  CPPUNIT_TEST(end_without_close_notify);
  CPPUNIT_TEST(half_close_through_tls);
  CPPUNIT_TEST_SUITE_END();

  void large_transfers_both_ways() {
    const std::string body = pattern(6 << 20), answer = pattern(5 << 20);
    ConnectionLimits limits;
    limits.output_high = 16 << 20;  // two sides that both stopped reading would wait for ever
    Both b(64 << 10, limits);
    b.secure(server_context(), client_context());
    b.client.connection->write(body);
    b.server.connection->write(answer);
    b.client.connection->want_drained();
    b.until([&] { return b.server.data.size() >= body.size() && b.client.data.size() >= answer.size(); });
    CPPUNIT_ASSERT(b.server.data == body);
    CPPUNIT_ASSERT(b.client.data == answer);
    CPPUNIT_ASSERT_EQUAL(std::string("tls drained "), b.client.events);
    CPPUNIT_ASSERT_EQUAL(uint64_t{body.size()}, b.client.connection->bytes_out());
  }

  void a_greedy_tls_peer_leaves_others_their_turn() {
    Both b(4 << 20);
    b.secure(server_context(), client_context());
    TcpPair pair;
    Recorder other;
    RawPeer other_peer(std::move(pair.theirs));
    other.accept(*b.loop, std::move(pair.ours));
    const std::string flood = pattern(2 << 20);
    b.client.connection->write(flood);
    size_t at_other = 0;
    other.take = [&](std::string_view bytes) {
      at_other = b.server.data.size();
      return bytes.size();
    };
    b.until([&] { return !b.server.data.empty(); });
    other_peer.send("me too");
    b.until([&] { return !other.data.empty(); });
    CPPUNIT_ASSERT_MESSAGE("the greedy one was drained first", at_other < flood.size());
    CPPUNIT_ASSERT(b.server.largest <= (64 << 10));
    b.until([&] { return b.server.data.size() == flood.size(); });
    CPPUNIT_ASSERT(b.server.data == flood);
    other.connection.reset();
  }

  void bytes_inside_tls_wait_for_a_paused_handler() {
    // One record holds three commands; whatever OpenSSL has taken from the
    // socket must come out again without the socket ever being readable.
    Server s(server_context());
    RawTls tls(s.peer.fd());
    s.until([&] { return tls.handshake() == 1 && s.handler.tls; });
    s.handler.take = [&](std::string_view) -> size_t {
      s.handler.connection->pause_reading();
      return 1;
    };
    CPPUNIT_ASSERT_EQUAL(size_t{3}, tls.send("abc"));
    CPPUNIT_ASSERT_EQUAL(size_t{3}, tls.send("def"));
    for (size_t i = 1; i <= 6; ++i) {
      s.until([&] { return s.handler.data.size() == i; });
      spin(*s.loop);
      CPPUNIT_ASSERT_EQUAL(i, s.handler.data.size());
      s.handler.connection->resume_reading();
    }
    CPPUNIT_ASSERT_EQUAL(std::string("abcdef"), s.handler.data);
    // The scratch buffer ends in the middle of the last record: its rest is in
    // OpenSSL alone.
    s.handler.take = nullptr;
    s.handler.data.clear();
    const std::string flood = pattern(1000 + 4 * 16384);
    CPPUNIT_ASSERT_EQUAL(size_t{1000}, tls.send(std::string_view(flood).substr(0, 1000)));
    for (size_t i = 0; i < 4; ++i)
      CPPUNIT_ASSERT_EQUAL(size_t{16384}, tls.send(std::string_view(flood).substr(1000 + i * 16384, 16384)));
    s.handler.connection->resume_reading();
    s.until([&] { return s.handler.data.size() == flood.size(); }, "the rest of the record");
    CPPUNIT_ASSERT(s.handler.data == flood);
    // More than a scratch buffer at once, paused after each.
    Both b(1 << 20);
    b.secure(server_context(), client_context());
    b.server.take = [&](std::string_view bytes) {
      b.server.connection->pause_reading();
      b.loop->post([&] { b.server.connection->resume_reading(); });
      return bytes.size();
    };
    const std::string body = pattern(500000);
    b.client.connection->write(body);
    b.until([&] { return b.server.data.size() == body.size(); });
    CPPUNIT_ASSERT(b.server.data == body);
  }

  void back_pressure_through_tls() {
    ConnectionLimits limits;
    limits.output_high = 64 << 10;
    Server s(server_context(), 16 << 10, limits);
    RawTls tls(s.peer.fd());
    SSL_set_mode(tls.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    s.until([&] { return tls.handshake() == 1 && s.handler.tls; });
    size_t most = 0;
    s.handler.take = [&](std::string_view bytes) {
      s.handler.connection->write(bytes);
      s.handler.connection->write(bytes);
      most = std::max(most, s.handler.connection->unsent());
      return bytes.size();
    };
    const std::string flood = pattern(16 << 10);
    size_t sent = 0;
    std::string all;
    for (int idle = 0; idle < 200;) {
      const size_t put = tls.send(flood);
      all += flood.substr(0, put);
      sent += put;
      idle = put > 0 ? 0 : idle + 1;
      spin(*s.loop, 2);
    }
    CPPUNIT_ASSERT(s.handler.connection->bytes_in() < sent);
    CPPUNIT_ASSERT_MESSAGE(fmt::format("{} bytes unsent", most), most <= (64 << 10) + 2 * (64 << 10));
    // While a write of OpenSSL's is half done only reading is allowed to it.
    s.until(
        [&] {
          tls.receive();
          return tls.received.size() >= 2 * sent;
        },
        "all the output");
  }

  void finish_sends_close_notify() {
    Server s(server_context());
    RawTls tls(s.peer.fd());
    s.until([&] { return tls.handshake() == 1 && s.handler.tls; });
    const std::string reply = "221 bye\r\n" + pattern(200 << 10);
    s.handler.take = [&](std::string_view bytes) {
      s.handler.connection->write(reply);
      s.handler.connection->finish();
      return bytes.size();
    };
    tls.send("QUIT\r\n");
    tls.send("and more that nobody reads");
    s.until([&] {
      tls.receive();
      return tls.last_error != SSL_ERROR_WANT_READ;
    });
    CPPUNIT_ASSERT(tls.received == reply);
    CPPUNIT_ASSERT_EQUAL(SSL_ERROR_ZERO_RETURN, tls.last_error);
    SSL_shutdown(tls.ssl);
    s.peer.close();
    s.until_closed();
    CPPUNIT_ASSERT_EQUAL(CloseReason::local, *s.handler.closed);
  }

  void end_without_close_notify() {
    for (const bool orderly : {true, false}) {
      Server s(server_context());
      RawTls tls(s.peer.fd());
      s.until([&] { return tls.handshake() == 1 && s.handler.tls; });
      tls.receive();  // tickets: unread they would make an RST
      tls.send("QUIT");
      if (orderly) SSL_shutdown(tls.ssl);
      s.peer.shut_write();
      s.until_closed();
      CPPUNIT_ASSERT_EQUAL(std::string("QUIT"), s.handler.data);
      CPPUNIT_ASSERT_EQUAL(CloseReason::peer_closed, *s.handler.closed);
      CPPUNIT_ASSERT_EQUAL(std::string(orderly ? "" : "end without TLS close_notify"), s.handler.detail);
    }
  }

  void half_close_through_tls() {
    Server s(server_context());
    RawTls tls(s.peer.fd());
    s.until([&] { return tls.handshake() == 1 && s.handler.tls; });
    s.handler.take = [&](std::string_view bytes) {
      s.handler.connection->write("answer to " + std::string(bytes));
      return bytes.size();
    };
    tls.send("QUIT");
    SSL_shutdown(tls.ssl);  // our side only
    s.until([&] {
      tls.receive();
      return tls.last_error != SSL_ERROR_WANT_READ;
    });
    CPPUNIT_ASSERT_EQUAL(std::string("answer to QUIT"), tls.received);
    CPPUNIT_ASSERT_EQUAL(SSL_ERROR_ZERO_RETURN, tls.last_error);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TlsConnectionTest);

}  // namespace
