#include "certs.h"
#include "net/connection.h"
#include "net/tls.h"
#include "recorder.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;
using namespace std::chrono_literals;

namespace {

class TlsConnectionTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TlsConnectionTest);
  CPPUNIT_TEST(implicit_tls_in_both_roles_and_both_versions);
  CPPUNIT_TEST(starttls_in_both_roles);
  CPPUNIT_TEST(commands_injected_behind_starttls_are_dropped);
  CPPUNIT_TEST(bytes_injected_into_the_handshake_end_it);
  CPPUNIT_TEST(answers_injected_behind_starttls_are_dropped_by_the_client);
  CPPUNIT_TEST(plain_bytes_on_a_tls_port);
  CPPUNIT_TEST(damaged_handshakes_end_the_connection);
  CPPUNIT_TEST(plain_server_on_a_tls_client);
  CPPUNIT_TEST(silence_and_early_end);
  CPPUNIT_TEST(old_protocols_are_refused);
  CPPUNIT_TEST(no_shared_cipher);
  CPPUNIT_TEST(verification_by_the_client);
  CPPUNIT_TEST(certificates_of_clients);
  CPPUNIT_TEST(large_transfers_both_ways);
  CPPUNIT_TEST(byte_by_byte_handshake);
  CPPUNIT_TEST(a_greedy_tls_peer_leaves_others_their_turn);
  CPPUNIT_TEST(bytes_inside_tls_wait_for_a_paused_handler);
  CPPUNIT_TEST(back_pressure_through_tls);
  CPPUNIT_TEST(finish_sends_close_notify);
  CPPUNIT_TEST(end_without_close_notify);
  CPPUNIT_TEST(half_close_through_tls);
  CPPUNIT_TEST(renegotiation_is_refused);
  CPPUNIT_TEST(tickets_resume_on_their_own_context_only);
  CPPUNIT_TEST(destroyed_during_handshake_and_in_on_tls);
  CPPUNIT_TEST(start_tls_without_context_or_twice);
  CPPUNIT_TEST_SUITE_END();

  Identity ca{{.common_name = "Test CA", .alt_names = "", .authority = true}};
  Identity server_identity{{}, &ca};

  TlsSettings server_settings() const {
    TlsSettings settings;
    settings.certificate = server_identity.certificate() + server_identity.key();
    return settings;
  }
  TlsContextPtr server_context() const { return TlsContext::server(server_settings()).value(); }
  TlsSettings client_settings() const {
    TlsSettings settings;
    settings.ca = ca.certificate();
    settings.verify = TlsVerify::require;
    return settings;
  }
  TlsContextPtr client_context() const { return TlsContext::client(client_settings()).value(); }

  // Our Connections at both ends.
  struct Both {
    std::unique_ptr<Loop> loop = make_loop();
    Recorder server, client;
    explicit Both(int buffers = 0, const ConnectionLimits& limits = {}) {
      TcpPair pair(buffers);
      server.accept(*loop, std::move(pair.ours), {}, limits);
      client.accept(*loop, std::move(pair.theirs));
    }
    ~Both() {
      server.connection.reset();
      client.connection.reset();
    }
    void until(const std::function<bool()>& done, std::string_view what = "condition") { run_until(*loop, done, what); }
    void secure(const TlsContextPtr& server_context, const TlsContextPtr& client_context,
                const std::string& name = "localhost", bool verify = true) {
      server.connection->start_tls_server(server_context);
      client.connection->start_tls_client(client_context, name, verify);
      until([&] { return settled(server) && settled(client); }, "handshake");
    }
    static bool settled(const Recorder& side) { return side.tls.has_value() || side.closed.has_value(); }
  };

  // Our server, a raw socket as its peer.
  struct Server {
    std::unique_ptr<Loop> loop = make_loop();
    Recorder handler;
    RawPeer peer;
    explicit Server(const TlsContextPtr& context, int buffers = 0, const ConnectionLimits& limits = {}) {
      TcpPair pair(buffers);
      peer = RawPeer(std::move(pair.theirs));
      handler.accept(*loop, std::move(pair.ours), {}, limits);
      if (context) handler.connection->start_tls_server(context);
    }
    ~Server() { handler.connection.reset(); }
    void until(const std::function<bool()>& done, std::string_view what = "condition") { run_until(*loop, done, what); }
    void until_closed() {
      until([&] { return handler.closed.has_value(); }, "on_closed");
    }
  };

  // OpenSSL itself as the client on the raw socket.
  struct RawTls {
    SSL_CTX* context;
    SSL* ssl;
    explicit RawTls(int fd, int version = 0) : context(SSL_CTX_new(TLS_client_method())), ssl(nullptr) {
      if (version != 0) {
        SSL_CTX_set_min_proto_version(context, version);
        SSL_CTX_set_max_proto_version(context, version);
        SSL_CTX_set_security_level(context, 0);
      }
      ssl = SSL_new(context);
      SSL_set_fd(ssl, fd);
      SSL_set_connect_state(ssl);
    }
    ~RawTls() {
      SSL_free(ssl);
      SSL_CTX_free(context);
      ERR_clear_error();
    }
    RawTls(const RawTls&) = delete;
    RawTls& operator=(const RawTls&) = delete;
    int handshake() {
      ERR_clear_error();
      return SSL_do_handshake(ssl);
    }
    std::string received;
    int last_error = SSL_ERROR_NONE;
    void receive() {
      char buffer[16384];
      int got = 0;
      ERR_clear_error();
      while ((got = SSL_read(ssl, buffer, sizeof buffer)) > 0) received.append(buffer, static_cast<size_t>(got));
      last_error = SSL_get_error(ssl, got);
    }
    size_t send(std::string_view bytes) {
      ERR_clear_error();
      const int put = SSL_write(ssl, bytes.data(), static_cast<int>(bytes.size()));
      return put > 0 ? static_cast<size_t>(put) : 0;
    }
  };

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

  void damaged_handshakes_end_the_connection() {
    // A true ClientHello with one byte changed at a time: either OpenSSL can
    // live with it and waits, or the connection ends as tls_failed.
    int fds[2];
    CPPUNIT_ASSERT_EQUAL(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    RawPeer wire{UniqueFd(fds[0])}, client_side{UniqueFd(fds[1])};
    RawTls tls(client_side.fd());
    tls.handshake();
    wire.receive();
    const std::string hello = wire.received;
    CPPUNIT_ASSERT(hello.size() > 100);
    const auto context = server_context();
    int failed = 0;
    for (size_t i = 0; i < hello.size(); ++i) {
      std::string damaged = hello;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
      Server s(context);
      s.peer.send(damaged);
      s.peer.shut_write();
      s.until_closed();
      CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *s.handler.closed);
      CPPUNIT_ASSERT(!s.handler.detail.empty());
      if (s.handler.detail != "the peer closed during the TLS handshake") ++failed;
    }
    CPPUNIT_ASSERT(failed > 20);
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

  void old_protocols_are_refused() {
    for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
      Server s(server_context());
      RawTls tls(s.peer.fd(), version);
      int reason = 0;  // the alert arrives, no RST
      s.until([&] {
        if (reason == 0 && tls.handshake() != 1) reason = ERR_GET_REASON(ERR_peek_error());
        return s.handler.closed.has_value() && reason != 0;
      });
      CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *s.handler.closed);
      CPPUNIT_ASSERT_EQUAL(std::string("TLS handshake: unsupported protocol"), s.handler.detail);
      CPPUNIT_ASSERT_EQUAL(SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, reason);
    }
  }

  void no_shared_cipher() {
    TlsSettings settings = server_settings();
    settings.protocols = "TLSv1.2";
    settings.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
    TlsSettings other = client_settings();
    other.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
    Both b;
    b.secure(TlsContext::server(settings).value(), TlsContext::client(other).value());
    CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *b.server.closed);
    CPPUNIT_ASSERT_EQUAL(std::string("TLS handshake: no shared cipher"), b.server.detail);
    CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *b.client.closed);
    CPPUNIT_ASSERT_EQUAL(std::string("TLS handshake: the peer refused with alert \"handshake failure\""),
                         b.client.detail);
  }

  // The client's verdict: empty when the handshake went well.
  std::string verdict(const TlsContextPtr& server, const TlsContextPtr& client, const std::string& name, bool verify) {
    Both b;
    b.secure(server, client, name, verify);
    if (!b.client.closed) return {};
    CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *b.client.closed);
    return b.client.detail;
  }
  void verification_by_the_client() {
    const auto server = server_context(), client = client_context();
    CPPUNIT_ASSERT_EQUAL(std::string(), verdict(server, client, "localhost", true));
    CPPUNIT_ASSERT_EQUAL(std::string(), verdict(server, client, "mx.example.com", true));
    CPPUNIT_ASSERT_EQUAL(std::string(), verdict(server, client, "mx.example.com.", true));
    CPPUNIT_ASSERT(!verdict(server, client, "a.mx.example.com", true).empty());  // a wildcard is one label
    CPPUNIT_ASSERT_EQUAL(std::string(), verdict(server, client, "127.0.0.1", true));
    CPPUNIT_ASSERT_EQUAL(std::string("certificate of the peer: hostname mismatch"),
                         verdict(server, client, "other.example.net", true));
    CPPUNIT_ASSERT_EQUAL(std::string("certificate of the peer: IP address mismatch"),
                         verdict(server, client, "127.0.0.2", true));
    CPPUNIT_ASSERT_EQUAL(std::string(), verdict(server, client, "other.example.net", false));  // chain only
    const auto stranger = TlsContext::client({}).value();  // the system's issuers, nothing required
    CPPUNIT_ASSERT_EQUAL(std::string(), verdict(server, stranger, "localhost", false));
    CPPUNIT_ASSERT(verdict(server, stranger, "localhost", true).starts_with("certificate of the peer: "));
    TlsSettings lax = client_settings();
    lax.ca = Identity({.common_name = "Other CA", .authority = true}).certificate();
    CPPUNIT_ASSERT(!verdict(server, TlsContext::client(lax).value(), "localhost", false).empty());
    lax.verify = TlsVerify::optional;
    CPPUNIT_ASSERT_EQUAL(std::string(), verdict(server, TlsContext::client(lax).value(), "localhost", false));
    const Identity old({.valid_from = -7200, .valid_to = -3600}, &ca);
    TlsSettings expired;
    expired.certificate = old.certificate() + old.key();
    CPPUNIT_ASSERT_EQUAL(std::string("certificate of the peer: certificate has expired"),
                         verdict(TlsContext::server(expired).value(), client, "localhost", true));
    // No name at all: SNI is left out, verification of it is refused.
    CPPUNIT_ASSERT_EQUAL(std::string(), verdict(server, client, "", false));
    Both b;
    b.client.connection->start_tls_client(client, "", true);
    b.until([&] { return b.client.closed.has_value(); });
    CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *b.client.closed);
  }

  void certificates_of_clients() {
    const Identity mine({.common_name = "client"}, &ca);
    const Identity strange({.common_name = "stranger"});
    TlsSettings with = client_settings(), wrong = client_settings();
    with.certificate = mine.certificate() + mine.key();
    wrong.certificate = strange.certificate() + strange.key();
    for (const char* version : {"TLSv1.2", "TLSv1.3"}) {
      TlsSettings required = server_settings();
      required.protocols = version;
      required.ca = ca.certificate();
      required.verify = TlsVerify::require;
      const auto server = TlsContext::server(required).value();
      {
        Both b;
        b.secure(server, TlsContext::client(with).value());
        CPPUNIT_ASSERT(b.server.tls && b.client.tls);
      }
      {
        Both b;
        b.secure(server, client_context());
        CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *b.server.closed);
        CPPUNIT_ASSERT_EQUAL(std::string("the peer has no certificate, and one is required"), b.server.detail);
      }
      {
        Both b;
        b.secure(server, TlsContext::client(wrong).value());
        CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *b.server.closed);
        CPPUNIT_ASSERT_EQUAL(std::string("certificate of the peer: self-signed certificate"), b.server.detail);
      }
      required.verify = TlsVerify::optional;
      for (const auto& settings : {with, wrong, client_settings()}) {
        Both b;
        b.secure(TlsContext::server(required).value(), TlsContext::client(settings).value());
        CPPUNIT_ASSERT(b.server.tls && b.client.tls);
      }
    }
  }

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

  void renegotiation_is_refused() {
    TlsSettings settings = server_settings();
    settings.protocols = "TLSv1.2";
    Server s(TlsContext::server(settings).value());
    s.handler.echo = true;
    RawTls tls(s.peer.fd());
    s.until([&] { return tls.handshake() == 1 && s.handler.tls; });
    SSL_renegotiate(tls.ssl);
    bool failed = false;
    s.until([&] {
      ERR_clear_error();
      const int result = SSL_do_handshake(tls.ssl);
      failed = failed || (result != 1 && SSL_get_error(tls.ssl, result) == SSL_ERROR_SSL);
      return failed || result == 1;
    });
    CPPUNIT_ASSERT(failed);
  }

  void tickets_resume_on_their_own_context_only() {
    for (const bool tickets : {true, false}) {
      TlsSettings settings = server_settings();
      settings.session_tickets = tickets;
      const auto context = TlsContext::server(settings).value(), sibling = TlsContext::server(settings).value();
      SSL_SESSION* session = nullptr;
      const auto visit = [&](const TlsContextPtr& to) {
        Server s(to);
        s.handler.echo = true;
        RawTls tls(s.peer.fd());
        if (session != nullptr) SSL_set_session(tls.ssl, session);
        s.until([&] { return tls.handshake() == 1 && s.handler.tls; });
        tls.send("x");
        s.until([&] {
          tls.receive();
          return tls.received == "x";
        });
        const bool reused = SSL_session_reused(tls.ssl) == 1;
        if (session == nullptr) {
          session = SSL_get1_session(tls.ssl);
          SSL_set_shutdown(tls.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);  // keeps the session valid
        }
        return reused;
      };
      CPPUNIT_ASSERT(!visit(context));
      CPPUNIT_ASSERT_EQUAL(tickets, visit(context));
      CPPUNIT_ASSERT(!visit(sibling));
      SSL_SESSION_free(session);
    }
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
CPPUNIT_TEST_SUITE_REGISTRATION(TlsConnectionTest);

}  // namespace
