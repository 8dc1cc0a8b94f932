// Certificates of clients: who is let in, who is told why not, and what is
// known of them afterwards.
#include "visit.h"

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

class TlsClientCertificateTest : public TlsFixture {
  CPPUNIT_TEST_SUITE(TlsClientCertificateTest);
  CPPUNIT_TEST(test_V37_require_refuses_in_the_handshake);
  CPPUNIT_TEST(test_V35_none_asks_nobody);
  CPPUNIT_TEST(optional_lets_in_and_tells);
  CPPUNIT_TEST(test_V44_identity_of_the_peer);
  CPPUNIT_TEST(names_that_no_line_can_hold_are_left_out);
  CPPUNIT_TEST(too_deep_chains);
  CPPUNIT_TEST(revoked_certificates);
  CPPUNIT_TEST(issuers_without_a_list);
  CPPUNIT_TEST(wrong_lists_are_errors_of_the_configuration);
  CPPUNIT_TEST(resumed_sessions_keep_the_verdict);
  CPPUNIT_TEST(a_session_does_not_outlive_its_certificate);
  CPPUNIT_TEST_SUITE_END();

  static constexpr int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  TempDir dir;
  Identity other_ca{{.common_name = "Other CA", .alt_names = "", .authority = true}};
  Identity good{{.common_name = "client"}, &ca};
  Identity old{{.common_name = "old", .valid_from = -7200, .valid_to = -3600}, &ca};
  Identity future{{.common_name = "future", .valid_from = 3600, .valid_to = 7200}, &ca};
  Identity strange{{.common_name = "strange"}, &other_ca};
  Identity self{{.common_name = "self"}};
  Identity web{{.common_name = "web", .usage = "serverAuth"}, &ca};

  TlsSettings asking(TlsVerify verify) const {
    TlsSettings settings = server_settings();
    settings.ca = ca.certificate();
    settings.verify = verify;
    return settings;
  }

  void test_V37_require_refuses_in_the_handshake() {
    const auto context = TlsContext::server(asking(TlsVerify::require)).value();
    struct Case {
      const Identity* who;
      std::string detail;
      int alert;
    };
    const Case cases[] = {
        {&good, "", 0},
        {&old, "certificate of the peer: certificate has expired", SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED},
        {&future, "certificate of the peer: certificate is not yet valid", SSL_R_SSLV3_ALERT_BAD_CERTIFICATE},
        {&strange, "certificate of the peer: unable to get local issuer certificate", SSL_R_TLSV1_ALERT_UNKNOWN_CA},
        {&self, "certificate of the peer: self-signed certificate", SSL_R_TLSV1_ALERT_UNKNOWN_CA},
        {&web, "certificate of the peer: unsuitable certificate purpose", SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE},
    };
    for (const int version : versions) {
      for (const Case& one : cases) {
        const Visit v = visit(context, showing(*one.who), version);
        CPPUNIT_ASSERT_EQUAL(one.detail, v.detail);
        CPPUNIT_ASSERT_EQUAL(one.detail.empty(), v.info.has_value());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(one.detail, one.alert, v.alert);
      }
      const Visit without = visit(context, {}, version);
      CPPUNIT_ASSERT(!without.info);
      CPPUNIT_ASSERT_EQUAL(std::string("the peer has no certificate, and one is required"), without.detail);
      CPPUNIT_ASSERT_EQUAL(
          version == TLS1_2_VERSION ? SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE : SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
          without.alert);
    }
  }

  void test_V35_none_asks_nobody() {
    const auto context = TlsContext::server(asking(TlsVerify::none)).value();
    for (const int version : versions) {
      const Visit v = visit(context, showing(good), version);
      CPPUNIT_ASSERT(v.info.has_value());
      CPPUNIT_ASSERT(v.told().peer == nullptr);
    }
  }

  void optional_lets_in_and_tells() {
    const auto context = TlsContext::server(asking(TlsVerify::optional)).value();
    for (const int version : versions) {
      CPPUNIT_ASSERT(visit(context, {}, version).told().peer == nullptr);
      const auto told = [&](const Identity& who) { return visit(context, showing(who), version).told().peer; };
      CPPUNIT_ASSERT(told(good)->verified);
      CPPUNIT_ASSERT_EQUAL(std::string(), told(good)->trouble);
      for (const Identity* bad : {&old, &strange, &self, &web}) {
        const auto peer = told(*bad);
        CPPUNIT_ASSERT(peer != nullptr);
        CPPUNIT_ASSERT_MESSAGE(peer->common_name, !peer->verified);
        CPPUNIT_ASSERT(!peer->trouble.empty());
      }
      CPPUNIT_ASSERT_EQUAL(std::string("certificate has expired"), told(old)->trouble);
    }
  }

  void test_V44_identity_of_the_peer() {
    const Identity full({.common_name = "Jürgen",
                         .alt_names = "email:a@example.com,DNS:relay.example.com,"
                                      "email:b@example.com,IP:192.0.2.1"},
                        &ca);
    const auto context = TlsContext::server(asking(TlsVerify::require)).value();
    const auto peer = visit(context, showing(full)).told().peer;
    CPPUNIT_ASSERT(peer->verified);
    CPPUNIT_ASSERT_EQUAL(std::string("Jürgen"), peer->common_name);
    CPPUNIT_ASSERT_EQUAL(std::string("CN=Test CA"), peer->issuer);
    CPPUNIT_ASSERT(peer->subject.starts_with("CN="));
    CPPUNIT_ASSERT((std::vector<std::string>{"a@example.com", "b@example.com"}) == peer->emails);
    CPPUNIT_ASSERT((std::vector<std::string>{"relay.example.com"}) == peer->dns_names);
    CPPUNIT_ASSERT_EQUAL(size_t{64}, peer->fingerprint.size());
    CPPUNIT_ASSERT(peer->fingerprint != visit(context, showing(good)).told().peer->fingerprint);
    CPPUNIT_ASSERT(!peer->serial.empty());
  }

  void names_that_no_line_can_hold_are_left_out() {
    const auto context = TlsContext::server(asking(TlsVerify::require)).value();
    const Identity broken({.common_name = "evil\r\nadmin", .alt_names = ""}, &ca);
    const auto peer = visit(context, showing(broken)).told().peer;
    CPPUNIT_ASSERT(peer->verified);
    CPPUNIT_ASSERT_EQUAL(std::string(), peer->common_name);
    CPPUNIT_ASSERT(peer->subject.find('\n') == std::string::npos);
  }

  void too_deep_chains() {
    const Identity a({.common_name = "A", .alt_names = "", .authority = true}, &ca);
    const Identity b({.common_name = "B", .alt_names = "", .authority = true}, &a);
    const Identity leaf({.common_name = "deep"}, &b);
    for (const int version : versions)
      for (const int depth : {0, 1, 2, 4}) {
        TlsSettings settings = asking(TlsVerify::require);
        settings.verify_depth = depth;
        const auto context = TlsContext::server(settings).value();
        const Visit v = visit(context, showing(leaf, {&b, &a}), version);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(v.detail, depth >= 2, v.info.has_value());
        if (depth < 2)
          CPPUNIT_ASSERT_EQUAL(std::string("certificate of the peer: certificate chain too long"), v.detail);
        CPPUNIT_ASSERT(visit(context, showing(good), version).info.has_value());
      }
  }

  void revoked_certificates() {
    const Identity bad({.common_name = "bad"}, &ca);
    TlsSettings settings = asking(TlsVerify::require);
    settings.crl_file = write_file(dir / "crl.pem", ca.crl({&bad}));
    for (const TlsVerify verify : {TlsVerify::require, TlsVerify::optional}) {
      settings.verify = verify;
      const auto context = TlsContext::server(settings).value();
      CPPUNIT_ASSERT(*context->crl_expiry() > wall_now());
      for (const int version : versions) {
        CPPUNIT_ASSERT(visit(context, showing(good), version).told().peer->verified);
        const Visit v = visit(context, showing(bad), version);
        if (verify == TlsVerify::require) {
          CPPUNIT_ASSERT_EQUAL(std::string("certificate of the peer: certificate revoked"), v.detail);
          CPPUNIT_ASSERT_EQUAL(SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, v.alert);
        } else {
          CPPUNIT_ASSERT(!v.told().peer->verified);
          CPPUNIT_ASSERT_EQUAL(std::string("certificate revoked"), v.told().peer->trouble);
        }
      }
    }
  }

  // The issuer of a client's certificate has to have a list; those above it need none.
  void issuers_without_a_list() {
    const Identity middle({.common_name = "Middle", .alt_names = "", .authority = true}, &ca);
    const Identity leaf({.common_name = "leaf"}, &middle), gone({.common_name = "gone"}, &middle);
    TlsSettings settings = asking(TlsVerify::require);
    settings.crl_file = ca.crl({});
    auto context = TlsContext::server(settings).value();
    CPPUNIT_ASSERT_EQUAL(std::string("certificate of the peer: unable to get certificate CRL"),
                         visit(context, showing(leaf, {&middle})).detail);
    settings.crl_file = middle.crl({&gone});
    context = TlsContext::server(settings).value();
    CPPUNIT_ASSERT(visit(context, showing(leaf, {&middle})).told().peer->verified);
    CPPUNIT_ASSERT_EQUAL(std::string("certificate of the peer: certificate revoked"),
                         visit(context, showing(gone, {&middle})).detail);
    // An intermediate that is revoked takes all below it along. Two lists in one file.
    settings.crl_file = middle.crl({}) + ca.crl({&middle});
    context = TlsContext::server(settings).value();
    CPPUNIT_ASSERT(!visit(context, showing(leaf, {&middle})).info);
    CPPUNIT_ASSERT(visit(context, showing(good)).told().peer->verified);
    // A mistake further down is not forgiven for a missing list further up.
    settings.verify = TlsVerify::optional;
    settings.crl_file = middle.crl({&gone});
    context = TlsContext::server(settings).value();
    for (const int version : versions) {
      const Visit first = visit(context, showing(gone, {&middle}), version);
      CPPUNIT_ASSERT(!first.told().peer->verified);
      const Visit again = visit(context, resuming(first.session, showing(gone, {&middle})), version);
      CPPUNIT_ASSERT(again.told().resumed);
      CPPUNIT_ASSERT(!again.told().peer->verified);
    }
  }

  void wrong_lists_are_errors_of_the_configuration() {
    TlsSettings settings = asking(TlsVerify::require);
    const auto refused = [&](const std::string& source, const std::string& expected) {
      settings.crl_file = source;
      const auto context = TlsContext::server(settings);
      CPPUNIT_ASSERT_MESSAGE("accepted: " + expected, !context);
      CPPUNIT_ASSERT_MESSAGE(context.error().message, context.error().message.find(expected) != std::string::npos);
    };
    refused(dir / "missing.pem", "No such file");
    refused(write_file(dir / "text.pem", "nothing"), "not a PEM");
    refused(write_file(dir / "cert.pem", good.certificate()), "no CRL in it");
    refused(ca.crl({}, -7200, -3600), "is over");
    refused(ca.crl({}, 3600, 7200), "begins in the future");
    const Identity impostor({.common_name = "Test CA", .alt_names = "", .authority = true});
    refused(impostor.crl({}), "not signed by the issuer");
    std::string damaged = ca.crl({});
    damaged[damaged.size() / 2] = '!';
    refused(damaged, "damaged CRL");
    refused(ca.crl({}) + ca.crl({}, -7200, -3600), "is over");  // one of two
    settings.ca.clear();
    settings.verify = TlsVerify::optional;
    refused(ca.crl({}), "no issuers");
  }

  void resumed_sessions_keep_the_verdict() {
    const auto context = TlsContext::server(asking(TlsVerify::optional)).value();
    for (const int version : versions)
      for (const Identity* who : {&good, &strange}) {
        const Visit first = visit(context, showing(*who), version);
        const Visit again = visit(context, resuming(first.session), version);
        CPPUNIT_ASSERT(again.told().resumed);
        CPPUNIT_ASSERT_EQUAL(who == &good, again.told().peer->verified);
        CPPUNIT_ASSERT_EQUAL(first.told().peer->fingerprint, again.told().peer->fingerprint);
        // Other rules, another context: the whole proof again.
        TlsSettings changed = asking(TlsVerify::optional);
        changed.crl_file = ca.crl({&good});
        const Visit elsewhere =
            visit(TlsContext::server(changed).value(), resuming(first.session, showing(*who)), version);
        CPPUNIT_ASSERT(!elsewhere.told().resumed);
        CPPUNIT_ASSERT(!elsewhere.told().peer->verified);
      }
  }

  void a_session_does_not_outlive_its_certificate() {
    const auto context = TlsContext::server(asking(TlsVerify::optional)).value();
    for (const int version : versions) {
      const Visit first = visit(context, showing(old), version);
      CPPUNIT_ASSERT(first.told().peer != nullptr);
      CPPUNIT_ASSERT(!visit(context, resuming(first.session, showing(old)), version).told().resumed);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TlsClientCertificateTest);

}  // namespace
