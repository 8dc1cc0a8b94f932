// Pre-shared keys: the file, both versions of TLS, and what a wrong key or an
// unknown identity gets.
#include "net/tls_psk.h"

#include "visit.h"

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

class TlsPskTest : public TlsFixture {
  CPPUNIT_TEST_SUITE(TlsPskTest);
  CPPUNIT_TEST(test_V42_the_file);
  CPPUNIT_TEST(mistakes_name_the_line_and_never_the_key);
  CPPUNIT_TEST(unknown_identities_have_keys_that_nobody_has);
  CPPUNIT_TEST(settings_that_do_not_go_together);
  CPPUNIT_TEST(test_V36_without_any_certificate);
  CPPUNIT_TEST(test_V39_beside_a_certificate);
  CPPUNIT_TEST(test_V41_suites_of_TLS_1_2);
  CPPUNIT_TEST(test_V42_unknown_identity_and_wrong_key_look_the_same);
  CPPUNIT_TEST(clients_without_a_key);
  CPPUNIT_TEST(resumed_sessions_keep_the_identity);
  CPPUNIT_TEST(a_key_stands_for_a_client_certificate);
  CPPUNIT_TEST_SUITE_END();

  static constexpr int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  TempDir dir;
  const std::string key = "0123456789abcdef0123456789ABCDEF";
  std::string hex(const std::string& bytes) const {
    std::string text;
    for (const unsigned char c : bytes) text += fmt::format("{:02x}", c);
    return text;
  }
  std::string file(const std::string& more = "") {
    return write_file(dir / "psk", "# keys\n\nrelay one:" + hex(key) + "\n" + more);
  }
  TlsSettings settings(bool certificate) {
    TlsSettings s;
    if (certificate) s = server_settings();
    s.psk = true;
    s.psk_file = file("a:b:c:" + hex(std::string(16, 'k')) + "\n");
    s.psk_hint = "which relay?";
    return s;
  }

  void test_V42_the_file() {
    const auto table =
        PskTable::parse("# comment\r\n\r\n  one:" + hex(key) + "  \r\nurn:x:two:" + hex(std::string(16, 'x')) +
                            "\nthree : " + std::string(32, 'A'),
                        "keys");
    CPPUNIT_ASSERT_MESSAGE(table ? "" : table.error().message, table.has_value());
    CPPUNIT_ASSERT_EQUAL(size_t{3}, table->size());
    CPPUNIT_ASSERT(table->find("one").known);
    const PskTable::Found one = table->find("one");
    CPPUNIT_ASSERT_EQUAL(key, std::string(one.key.begin(), one.key.end()));
    CPPUNIT_ASSERT(table->find("urn:x:two").known);
    CPPUNIT_ASSERT_EQUAL(size_t{16}, table->find("three").key.size());
    CPPUNIT_ASSERT(!table->find("One").known);
    CPPUNIT_ASSERT(!table->find("").known);
    const auto other = PskTable::parse("one:" + hex(key), "keys");
    CPPUNIT_ASSERT(table->digest() != other->digest());
    CPPUNIT_ASSERT(other->digest() == PskTable::parse("one:" + hex(key), "elsewhere")->digest());
  }

  void mistakes_name_the_line_and_never_the_key() {
    const std::string good = "one:" + hex(key) + "\n";
    const std::pair<std::string, std::string> wrong[] = {
        {good + "deadbeefdeadbeefdeadbeefdeadbeef", "line 2: expected identity:hexkey"},
        {good + "\n:deadbeefdeadbeefdeadbeefdeadbeef", "line 3: expected an identity"},
        {"two:deadbeefdeadbeefdeadbeefdeadbee", "line 1: expected a key in hexadecimal"},
        {"two:deadbeefdeadbeefdeadbeefdeadbeeg", "line 1: expected a key in hexadecimal"},
        {"two:", "line 1: expected a key in hexadecimal"},
        {"two:deadbeef", "line 1: the key has 4 bytes; 16 to 64 are possible"},
        {"two:" + std::string(130, 'd'), "line 1: the key has 65 bytes"},
        {good + "one:deadbeefdeadbeefdeadbeefdeadbeef", "line 2: this identity has a key already"},
        {std::string(129, 'i') + ":deadbeefdeadbeefdeadbeefdeadbeef", "line 1: expected an identity"},
        {"t\x01:deadbeefdeadbeefdeadbeefdeadbeef", "line 1: expected an identity"},
        {"# nothing\n", "no key in it"},
        {"", "no key in it"},
    };
    for (const auto& [text, expected] : wrong) {
      const auto table = PskTable::parse(text, "keys");
      CPPUNIT_ASSERT_MESSAGE(expected, !table);
      const std::string& message = table.error().message;
      CPPUNIT_ASSERT_MESSAGE(message, message.starts_with("keys: " + expected));
      CPPUNIT_ASSERT_MESSAGE(message, message.find("deadbee") == std::string::npos);
      CPPUNIT_ASSERT(message.find('\n') == std::string::npos);
    }
    CPPUNIT_ASSERT(PskTable::load(dir / "missing").error().message.find("pre-shared keys: ") == 0);
    CPPUNIT_ASSERT(PskTable::load("file://" + file()).has_value());
  }

  void unknown_identities_have_keys_that_nobody_has() {
    const auto table = PskTable::parse("one:" + hex(key), "keys");
    const auto first = table->find("two"), again = table->find("two"), other = table->find("three");
    CPPUNIT_ASSERT(!first.known);
    CPPUNIT_ASSERT_EQUAL(size_t{32}, first.key.size());
    CPPUNIT_ASSERT(first.key == again.key);  // asked twice it is the same: no oracle
    CPPUNIT_ASSERT(first.key != other.key);
    CPPUNIT_ASSERT(first.key != PskTable::parse("one:" + hex(key), "keys")->find("two").key);
  }

  void settings_that_do_not_go_together() {
    TlsSettings s = settings(true);
    s.psk_file.clear();
    CPPUNIT_ASSERT(TlsContext::server(s).error().message.find("no file") != std::string::npos);
    s = settings(true);
    s.psk_file = dir / "missing";
    CPPUNIT_ASSERT(TlsContext::server(s).error().message.find("No such file") != std::string::npos);
    s = settings(true);
    s.psk_hint = std::string(129, 'h');
    CPPUNIT_ASSERT(TlsContext::server(s).error().message.find("hint") != std::string::npos);
    s = settings(true);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, TlsContext::server(s).value()->psk_identities());
    s.psk = false;  // the file alone switches nothing on
    CPPUNIT_ASSERT_EQUAL(size_t{0}, TlsContext::server(s).value()->psk_identities());
  }

  void test_V36_without_any_certificate() {
    const auto context = TlsContext::server(settings(false)).value();
    CPPUNIT_ASSERT(context->served().empty());
    for (const int version : versions) {
      ClientKey mine{"relay one", key, ""};
      const Visit v = visit(context, mine.prepare(), version);
      CPPUNIT_ASSERT_MESSAGE(v.detail, v.info.has_value());
      CPPUNIT_ASSERT_EQUAL(std::string("relay one"), v.told().psk_identity);
      CPPUNIT_ASSERT(!v.told().resumed);
      CPPUNIT_ASSERT(v.told().peer == nullptr);
      CPPUNIT_ASSERT_EQUAL(std::string(), v.shown);
      if (version == TLS1_2_VERSION) CPPUNIT_ASSERT_EQUAL(std::string("which relay?"), mine.hint);
      ClientKey second{"a:b:c", std::string(16, 'k'), ""};
      CPPUNIT_ASSERT_EQUAL(std::string("a:b:c"), visit(context, second.prepare(), version).told().psk_identity);
    }
  }

  void test_V39_beside_a_certificate() {
    const auto context = TlsContext::server(settings(true)).value();
    for (const int version : versions) {
      ClientKey mine{"relay one", key, ""};
      const Visit by_key = visit(
          context, mine.prepare([](RawTls& tls) { SSL_set_cipher_list(tls.ssl, "kPSK:ECDHE-PSK-AES128-CBC-SHA256"); }),
          version);
      CPPUNIT_ASSERT_MESSAGE(by_key.detail, by_key.info.has_value());
      CPPUNIT_ASSERT_EQUAL(std::string("relay one"), by_key.told().psk_identity);
      const Visit by_certificate = visit(context, {}, version);
      CPPUNIT_ASSERT_EQUAL(std::string("localhost"), by_certificate.shown);
      CPPUNIT_ASSERT_EQUAL(std::string(), by_certificate.told().psk_identity);
    }
  }

  void test_V41_suites_of_TLS_1_2() {
    TlsSettings s = settings(false);
    s.ciphers = "PSK-AES256-GCM-SHA384:PSK-AES256-CBC-SHA:PSK-AES128-GCM-SHA256";
    const auto context = TlsContext::server(s).value();
    for (const char* suite : {"PSK-AES256-GCM-SHA384", "PSK-AES256-CBC-SHA", "PSK-AES128-GCM-SHA256"}) {
      ClientKey mine{"relay one", key, ""};
      const Visit v =
          visit(context, mine.prepare([&](RawTls& tls) { SSL_set_cipher_list(tls.ssl, suite); }), TLS1_2_VERSION);
      CPPUNIT_ASSERT_MESSAGE(v.detail, v.info.has_value());
      CPPUNIT_ASSERT_EQUAL(std::string(suite), v.told().cipher);
    }
    ClientKey mine{"relay one", key, ""};
    const Visit other =
        visit(context, mine.prepare([](RawTls& tls) { SSL_set_cipher_list(tls.ssl, "DHE-PSK-AES256-GCM-SHA384"); }),
              TLS1_2_VERSION);
    CPPUNIT_ASSERT(!other.info);
  }

  void test_V42_unknown_identity_and_wrong_key_look_the_same() {
    for (const bool certificate : {false, true}) {
      const auto context = TlsContext::server(settings(certificate)).value();
      for (const int version : versions) {
        const Prepare psk_only = [](RawTls& tls) { SSL_set_cipher_list(tls.ssl, "kPSK"); };
        ClientKey wrong{"relay one", std::string(32, 'w'), ""}, unknown{"relay two", key, ""};
        const Visit a = visit(context, wrong.prepare(psk_only), version);
        const Visit b = visit(context, unknown.prepare(psk_only), version);
        CPPUNIT_ASSERT(!a.info && !b.info);
        CPPUNIT_ASSERT_EQUAL(a.alert, b.alert);
        CPPUNIT_ASSERT_EQUAL(std::string("unknown pre-shared key identity 'relay two'"), b.detail);  // for our log
        CPPUNIT_ASSERT_MESSAGE(a.detail, a.detail.find("unknown") == std::string::npos);
      }
    }
  }

  void clients_without_a_key() {
    const auto context = TlsContext::server(settings(false)).value();
    for (const int version : versions) {
      const Visit v = visit(context, {}, version);
      CPPUNIT_ASSERT(!v.info);
      CPPUNIT_ASSERT_EQUAL(SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, v.alert);
    }
  }

  void resumed_sessions_keep_the_identity() {
    for (const bool certificate : {false, true}) {
      const auto context = TlsContext::server(settings(certificate)).value();
      for (const int version : versions) {
        ClientKey mine{"relay one", key, ""};
        const Prepare psk_only = [](RawTls& tls) { SSL_set_cipher_list(tls.ssl, "kPSK"); };
        const Visit first = visit(context, mine.prepare(psk_only), version);
        CPPUNIT_ASSERT(!first.told().resumed);
        const Visit again = visit(context, resuming(first.session, mine.prepare(psk_only)), version);
        CPPUNIT_ASSERT(again.told().resumed);
        CPPUNIT_ASSERT_EQUAL(std::string("relay one"), again.told().psk_identity);
        const Visit thrice = visit(context, resuming(again.session, mine.prepare(psk_only)), version);
        CPPUNIT_ASSERT(thrice.told().resumed);
        CPPUNIT_ASSERT_EQUAL(std::string("relay one"), thrice.told().psk_identity);
        // The key is withdrawn: a new context, where the old session is worth nothing.
        TlsSettings less = settings(certificate);
        less.psk_file = write_file(dir / "less", "relay three:" + hex(key));
        const Visit late =
            visit(TlsContext::server(less).value(), resuming(first.session, mine.prepare(psk_only)), version);
        CPPUNIT_ASSERT(!late.info);
      }
    }
  }

  void a_key_stands_for_a_client_certificate() {
    TlsSettings s = settings(true);
    s.ca = ca.certificate();
    s.verify = TlsVerify::require;
    const auto context = TlsContext::server(s).value();
    for (const int version : versions) {
      ClientKey mine{"relay one", key, ""};
      const Visit v = visit(context, mine.prepare([](RawTls& tls) { SSL_set_cipher_list(tls.ssl, "kPSK"); }), version);
      CPPUNIT_ASSERT_EQUAL(std::string("relay one"), v.told().psk_identity);
      CPPUNIT_ASSERT(!visit(context, {}, version).info);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TlsPskTest);

}  // namespace
