// What a TLS handshake agrees on and what it refuses: versions, ciphers, certificates, tickets.
#include "certs.h"
#include "net/connection.h"
#include "net/tls.h"
#include "recorder.h"

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

class TlsHandshakeTest : public TlsFixture {
  CPPUNIT_TEST_SUITE(TlsHandshakeTest);
  CPPUNIT_TEST(damaged_handshakes_end_the_connection);
  CPPUNIT_TEST(old_protocols_are_refused);
  CPPUNIT_TEST(no_shared_cipher);
  CPPUNIT_TEST(verification_by_the_client);
  CPPUNIT_TEST(certificates_of_clients);
  CPPUNIT_TEST(renegotiation_is_refused);
  CPPUNIT_TEST(tickets_resume_on_their_own_context_only);
  CPPUNIT_TEST_SUITE_END();

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
};
CPPUNIT_TEST_SUITE_REGISTRATION(TlsHandshakeTest);

}  // namespace
