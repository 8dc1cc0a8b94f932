// How TLS begins on a Connection: at once or by STARTTLS, with plain bytes, silence or nobody in its way.
#include "certs.h"
#include "net/connection.h"
#include "net/tls.h"
#include "recorder.h"

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;
using namespace std::chrono_literals;

namespace {

class TlsStartTest : public TlsFixture {
  CPPUNIT_TEST_SUITE(TlsStartTest);
  CPPUNIT_TEST(implicit_tls_in_both_roles_and_both_versions);
  CPPUNIT_TEST(starttls_in_both_roles);
  CPPUNIT_TEST(commands_injected_behind_starttls_are_dropped);
  CPPUNIT_TEST(bytes_injected_into_the_handshake_end_it);
  CPPUNIT_TEST(answers_injected_behind_starttls_are_dropped_by_the_client);
  CPPUNIT_TEST(plain_bytes_on_a_tls_port);
  CPPUNIT_TEST(plain_server_on_a_tls_client);
  CPPUNIT_TEST(silence_and_early_end);
  CPPUNIT_TEST(byte_by_byte_handshake);
  CPPUNIT_TEST(destroyed_during_handshake_and_in_on_tls);
  CPPUNIT_TEST(start_tls_without_context_or_twice);
  CPPUNIT_TEST_SUITE_END();

  void implicit_tls_in_both_roles_and_both_versions() {
    for (const char* version : {"TLSv1.2", "TLSv1.3"}) {
      TlsSettings settings = server_settings();
      settings.protocols = version;
      Both c;
      c.server.echo = true;
      c.secure(TlsContext::server(settings).value(), client_context());
      CPPUNIT_ASSERT_EQUAL(std::string("tls "), c.server.events);
      CPPUNIT_ASSERT_EQUAL(std::string("tls "), c.client.events);
      CPPUNIT_ASSERT_EQUAL(std::string(version), c.server.tls->version);
      CPPUNIT_ASSERT_EQUAL(c.server.tls->cipher, c.client.tls->cipher);
      CPPUNIT_ASSERT(c.server.tls->bits >= 128);
      CPPUNIT_ASSERT(c.server.connection->tls()->version == version);
      c.client.connection->write("hello");
      c.until([&] { return c.client.data == "hello"; });
      CPPUNIT_ASSERT_EQUAL(uint64_t{5}, c.server.connection->bytes_in());
    }
  }

  void starttls_in_both_roles() {
    Both b;
    const auto server = server_context(), client = client_context();
    b.server.take = [&](std::string_view bytes) {
      if (bytes.ends_with("STARTTLS\r\n")) {
        b.server.connection->write("220 ready\r\n");  // in plain
        b.server.connection->start_tls_server(server);
        b.server.connection->write("inside ");  // behind the handshake
      } else {
        b.server.connection->write(bytes);
      }
      return bytes.size();
    };
    b.client.take = [&](std::string_view bytes) {
      if (bytes == "220 ready\r\n") {
        b.client.connection->start_tls_client(client, "localhost", true);
        b.client.connection->write("EHLO again\r\n");
      }
      return bytes.size();
    };
    b.client.connection->write("STARTTLS\r\n");
    b.until([&] { return b.client.data.ends_with("EHLO again\r\n"); });
    CPPUNIT_ASSERT_EQUAL(std::string("220 ready\r\ninside EHLO again\r\n"), b.client.data);
    CPPUNIT_ASSERT_EQUAL(std::string("STARTTLS\r\nEHLO again\r\n"), b.server.data);
  }

  void commands_injected_behind_starttls_are_dropped() {
    // In one segment: what is behind STARTTLS is in our buffer already.
    for (const size_t taken : {size_t{10}, size_t{0}, size_t{1000}}) {
      Server s(nullptr);
      const auto context = server_context();
      s.handler.take = [&](std::string_view bytes) -> size_t {
        if (s.handler.tls) return bytes.size();
        s.handler.connection->write("220 ready\r\n");
        s.handler.connection->start_tls_server(context);
        return taken;
      };
      s.peer.send("STARTTLS\r\nRSET\r\nMAIL FROM:<evil@example.com>\r\n");
      s.until([&] {
        char byte = 0;
        return ::recv(s.peer.fd(), &byte, 1, MSG_PEEK) == 1;
      });
      char reply[32] = {};
      CPPUNIT_ASSERT_EQUAL(ssize_t{11}, ::recv(s.peer.fd(), reply, sizeof reply, 0));
      RawTls tls(s.peer.fd());
      s.until([&] { return tls.handshake() == 1; });
      CPPUNIT_ASSERT_EQUAL(size_t{4}, tls.send("QUIT"));
      s.until([&] { return s.handler.data.ends_with("QUIT"); });
      CPPUNIT_ASSERT_EQUAL(2, s.handler.calls);
      CPPUNIT_ASSERT(s.handler.data.find("MAIL FROM") == std::string::npos || taken == 1000);
    }
  }

  void bytes_injected_into_the_handshake_end_it() {
    // Still in the kernel when the handshake begins: they are no handshake.
    Server s(nullptr);
    const auto context = server_context();
    s.handler.take = [&](std::string_view bytes) {
      s.handler.connection->write("220 ready\r\n");
      s.handler.connection->start_tls_server(context);
      s.peer.send("MAIL FROM:<evil@example.com>\r\n");
      return bytes.size();
    };
    s.peer.send("STARTTLS\r\n");
    s.until_closed();
    CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *s.handler.closed);
    CPPUNIT_ASSERT(s.handler.detail.find("plain bytes") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(1, s.handler.calls);
  }

  void answers_injected_behind_starttls_are_dropped_by_the_client() {
    Both b;
    const auto server = server_context(), client = client_context();
    b.server.take = [&](std::string_view bytes) {
      if (!b.server.tls) {
        b.server.connection->write("220 ready\r\n250-AUTH PLAIN injected\r\n");
        b.server.connection->start_tls_server(server);
      }
      return bytes.size();
    };
    b.client.take = [&](std::string_view bytes) -> size_t {
      if (b.client.tls) return bytes.size();
      b.client.connection->start_tls_client(client, "localhost", true);
      return bytes.find('\n') + 1;
    };
    b.client.connection->write("STARTTLS\r\n");
    b.until([&] { return b.client.tls && b.server.tls; });
    b.server.connection->write("250 inside\r\n");
    b.until([&] { return b.client.data.ends_with("250 inside\r\n"); });
    CPPUNIT_ASSERT_EQUAL(std::string("220 ready\r\n250 inside\r\n"), b.client.data);
  }

  void plain_bytes_on_a_tls_port() {
    for (const char* text : {"EHLO client.example\r\n", "GET / HTTP/1.1\r\n", "\n", "Q"}) {
      Server s(server_context());
      s.peer.send(text);
      s.until_closed();
      CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *s.handler.closed);
      CPPUNIT_ASSERT_MESSAGE(s.handler.detail, s.handler.detail.starts_with("plain bytes on a TLS connection: \""));
      CPPUNIT_ASSERT_EQUAL(0, s.handler.calls);
      while (s.peer.receive()) {
      }
      CPPUNIT_ASSERT_EQUAL(std::string(), s.peer.received);  // quietly
    }
    for (const char* text :
         {"\x16\x03\x01\xff\xff\xff\xff", "\x16garbage that is not TLS at all", "\x80\x2e\x01\x03\x01\x15"}) {
      Server s(server_context());
      s.peer.send(std::string(text) + std::string(300, 'z'));
      s.until_closed();
      CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *s.handler.closed);
      CPPUNIT_ASSERT_MESSAGE(s.handler.detail, s.handler.detail.starts_with("TLS handshake: "));
    }
  }

  void plain_server_on_a_tls_client() {
    Server s(nullptr);  // used as the client
    s.handler.connection->start_tls_client(client_context(), "localhost", true);
    s.peer.send("220 mail.example ESMTP\r\n");
    s.until_closed();
    CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *s.handler.closed);
    CPPUNIT_ASSERT_EQUAL(std::string("plain bytes on a TLS connection: \"220 mail.example ESMTP\\r\\n\""),
                         s.handler.detail);
  }

  void silence_and_early_end() {
    {
      Server s(server_context());
      s.handler.deadline = [&] { s.handler.connection->close(); };
      s.handler.connection->deadline(5ms);
      s.until_closed();
      CPPUNIT_ASSERT_EQUAL(CloseReason::timeout, *s.handler.closed);
    }
    {
      Server s(server_context());
      s.peer.close();
      s.until_closed();
      CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *s.handler.closed);
      CPPUNIT_ASSERT_EQUAL(std::string("the peer closed before the TLS handshake"), s.handler.detail);
    }
    {
      Server s(server_context());
      s.peer.send(std::string("\x16\x03\x01\x02\x00\x01", 6));  // the beginning of a hello
      spin(*s.loop);
      s.peer.close();
      s.until_closed();
      CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *s.handler.closed);
      CPPUNIT_ASSERT_EQUAL(std::string("the peer closed during the TLS handshake"), s.handler.detail);
    }
    {
      Server s(server_context());
      s.handler.connection->finish();  // before anything came
      s.peer.send("EHLO\r\n");
      s.until([&] { return !s.peer.receive(); });
      s.peer.close();
      s.until_closed();
      CPPUNIT_ASSERT_EQUAL(CloseReason::local, *s.handler.closed);
    }
  }

  void byte_by_byte_handshake() {
    // A relay between OpenSSL and our server that passes single bytes.
    int fds[2];
    CPPUNIT_ASSERT_EQUAL(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    RawPeer outer{UniqueFd(fds[0])}, client_side{UniqueFd(fds[1])};
    Server s(server_context());
    s.handler.echo = true;
    RawTls tls(client_side.fd());
    const auto relay = [&](int from, int to) {
      char byte = 0;
      if (::recv(from, &byte, 1, 0) == 1) CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::send(to, &byte, 1, MSG_NOSIGNAL));
    };
    bool sent = false;
    s.until(
        [&] {
          relay(outer.fd(), s.peer.fd());
          event_base_loop(s.loop->base(), EVLOOP_NONBLOCK);
          for (int i = 0; i < 64; ++i) relay(s.peer.fd(), outer.fd());
          for (int i = 0; i < 8; ++i) {
            relay(outer.fd(), s.peer.fd());
            event_base_loop(s.loop->base(), EVLOOP_NONBLOCK);
          }
          if (tls.handshake() != 1) return false;
          if (!sent) sent = tls.send("byte by byte") == 12;
          tls.receive();
          return tls.received == "byte by byte";
        },
        "echo through the relay");
  }

  void destroyed_during_handshake_and_in_on_tls() {
    {
      Both b;
      b.server.connection->start_tls_server(server_context());
      b.client.connection->start_tls_client(client_context(), "localhost", true);
      event_base_loop(b.loop->base(), EVLOOP_NONBLOCK);
      b.server.connection.reset();
      b.until([&] { return b.client.closed.has_value(); });
      CPPUNIT_ASSERT(*b.client.closed != CloseReason::local);
      CPPUNIT_ASSERT(!b.server.closed);
    }
    {
      Both b;
      b.server.secured = [&] { b.server.connection.reset(); };
      b.client.secured = [&] { b.client.connection->write("first words"); };
      b.server.connection->start_tls_server(server_context());
      b.client.connection->start_tls_client(client_context(), "localhost", true);
      b.until([&] { return !b.server.connection; });
      spin(*b.loop);
      CPPUNIT_ASSERT(!b.server.closed);
    }
    {
      Both b;
      b.server.secured = [&] { b.server.connection->close(); };
      b.server.connection->start_tls_server(server_context());
      b.client.connection->start_tls_client(client_context(), "localhost", true);
      b.until([&] { return b.server.closed.has_value(); });
      CPPUNIT_ASSERT_EQUAL(std::string("tls closed "), b.server.events);
    }
  }

  void start_tls_without_context_or_twice() {
    Both b;
    b.server.connection->start_tls_server(nullptr);
    CPPUNIT_ASSERT(!b.server.closed);
    b.until([&] { return b.server.closed.has_value(); });
    CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *b.server.closed);
    Both c;
    c.secure(server_context(), client_context());
    c.server.connection->start_tls_server(server_context());
    c.until([&] { return c.server.closed.has_value(); });
    CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *c.server.closed);
    CPPUNIT_ASSERT_EQUAL(std::string("TLS is on already"), c.server.detail);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TlsStartTest);

}  // namespace
