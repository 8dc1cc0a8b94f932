// Certificates by server name: which pattern wins, what the client sees.
#include "net/tls_sni.h"

#include "base/text.h"
#include "net/certificate.h"
#include "visit.h"

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

class TlsSniTest : public TlsFixture {
  CPPUNIT_TEST_SUITE(TlsSniTest);
  CPPUNIT_TEST(whole_names_and_the_longest_pattern_win);
  CPPUNIT_TEST(wrong_patterns_are_refused);
  CPPUNIT_TEST(test_S18_the_certificate_follows_the_server_name);
  CPPUNIT_TEST(test_S18_unknown_names_get_the_default);
  CPPUNIT_TEST(keys_of_different_kinds);
  CPPUNIT_TEST(each_certificate_is_known_to_those_who_watch);
  CPPUNIT_TEST(what_cannot_be_loaded_is_named);
  CPPUNIT_TEST(sessions_are_not_resumed_under_another_certificate);
  CPPUNIT_TEST(damaged_names_do_no_harm);
  CPPUNIT_TEST_SUITE_END();

  Identity one{{.common_name = "one"}}, two{{.common_name = "two"}}, three{{.common_name = "three"}};

  TlsSettings named() const {
    TlsSettings settings = server_settings();
    settings.sni = {{"one.example.com", one.certificate() + one.key(), "", "", "first"},
                    {"*.example.com", two.certificate(), two.key(), "", "second"},
                    {"*.deep.example.com", three.certificate() + three.key(), "", "", "third"},
                    {"other.example.net", one.certificate() + one.key(), "", "", "again"}};
    return settings;
  }

  void whole_names_and_the_longest_pattern_win() {
    SniTable table;
    CPPUNIT_ASSERT(table.empty());
    CPPUNIT_ASSERT(table.add("mx.Example.com.", 1).has_value());
    CPPUNIT_ASSERT(table.add("*.example.com", 2).has_value());
    CPPUNIT_ASSERT(table.add("*.a.example.com", 3).has_value());
    CPPUNIT_ASSERT(!table.empty());
    const auto is = [&](std::string_view name, std::optional<size_t> expected) {
      CPPUNIT_ASSERT_MESSAGE(std::string(name), table.find(name) == expected);
    };
    is("mx.example.com", 1);
    is("my.example.com", 2);
    is("x.mx.example.com", 2);
    is("x.a.example.com", 3);
    is("a.example.com", 2);
    is("example.com", std::nullopt);
    is("com", std::nullopt);
    is("badexample.com", std::nullopt);
    is("", std::nullopt);
    CPPUNIT_ASSERT(table.add("*", 4).has_value());
    is("example.com", 4);
    is("", std::nullopt);  // no name is no name
  }

  void wrong_patterns_are_refused() {
    for (const char* wrong : {"", ".", "*.", "mx.*.com", "m*.example.com", "a..b", ".example.com", "a b",
                              "münchen.example", "*.*.example.com", "a\nb", "**", "x/y"}) {
      SniTable table;
      const auto added = table.add(wrong, 1);
      CPPUNIT_ASSERT_MESSAGE(wrong, !added);
      CPPUNIT_ASSERT(added.error().message.find("no server name") != std::string::npos);
      CPPUNIT_ASSERT(added.error().message.find('\n') == std::string::npos);
      CPPUNIT_ASSERT(table.empty());
    }
    SniTable table;
    CPPUNIT_ASSERT(table.add("mx.example.com", 1).has_value());
    CPPUNIT_ASSERT(table.add("MX.example.com.", 2).error().message.find("twice") != std::string::npos);
    CPPUNIT_ASSERT(table.add("*", 1).has_value());
    CPPUNIT_ASSERT(!table.add("*", 1).has_value());
  }

  void test_S18_the_certificate_follows_the_server_name() {
    const auto context = TlsContext::server(named()).value();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      const auto shows = [&](const std::string& name, const std::string& expected) {
        const Visit v = visit(context, asking_for(name), version);
        CPPUNIT_ASSERT_MESSAGE(v.detail, v.info.has_value());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(name, expected, v.shown);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(name, lower(name), v.told().server_name);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(name, expected != "localhost", v.acknowledged);
      };
      shows("one.example.com", "one");
      shows("ONE.Example.com", "one");
      shows("x.example.com", "two");
      shows("deep.example.com", "two");
      shows("a.b.deep.example.com", "three");
      shows("other.example.net", "one");
    }
  }

  void test_S18_unknown_names_get_the_default() {
    const auto context = TlsContext::server(named()).value();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      const Visit unknown = visit(context, asking_for("nobody.example.org"), version);
      CPPUNIT_ASSERT_EQUAL(std::string("localhost"), unknown.shown);
      CPPUNIT_ASSERT_EQUAL(std::string("nobody.example.org"), unknown.told().server_name);
      CPPUNIT_ASSERT(!unknown.acknowledged);
      const Visit silent = visit(context, {}, version);
      CPPUNIT_ASSERT_EQUAL(std::string("localhost"), silent.shown);
      CPPUNIT_ASSERT_EQUAL(std::string(), silent.told().server_name);
    }
  }

  void keys_of_different_kinds() {
    const Identity rsa({.common_name = "rsa", .rsa = true});
    TlsSettings settings = server_settings();  // an EC key
    settings.sni = {{"rsa.example.com", rsa.certificate() + rsa.key(), "", "", "rsa"}};
    const auto context = TlsContext::server(settings).value();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      CPPUNIT_ASSERT_EQUAL(std::string("rsa"), visit(context, asking_for("rsa.example.com"), version).shown);
      CPPUNIT_ASSERT_EQUAL(std::string("localhost"), visit(context, {}, version).shown);
    }
  }

  void each_certificate_is_known_to_those_who_watch() {
    const auto context = TlsContext::server(named()).value();
    const auto served = context->served();
    CPPUNIT_ASSERT_EQUAL(size_t{4}, served.size());  // "one" is one, though two names lead to it
    CPPUNIT_ASSERT(served[0].patterns.empty());
    CPPUNIT_ASSERT_EQUAL(std::string("first"), served[1].name);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, served[1].patterns.size());
    CPPUNIT_ASSERT_EQUAL(std::string("other.example.net"), served[1].patterns[1]);
    CPPUNIT_ASSERT_EQUAL(std::string("CN=localhost"), certificate_of(*context)->subject);
    CPPUNIT_ASSERT_EQUAL(std::string("CN=two"), certificate_of(*context, 2)->subject);
    CPPUNIT_ASSERT(!certificate_of(*context, 4));
    CPPUNIT_ASSERT_EQUAL(std::string(), chain_trouble(*context, wall_now(), 2));
    CPPUNIT_ASSERT(!certificate_of(*client_context()));
  }

  void what_cannot_be_loaded_is_named() {
    TlsSettings settings = named();
    settings.sni[2].certificate = "/nowhere/three.pem";
    auto context = TlsContext::server(settings);
    CPPUNIT_ASSERT(!context);
    CPPUNIT_ASSERT_MESSAGE(context.error().message,
                           context.error().message.starts_with("server name *.deep.example.com: "));
    CPPUNIT_ASSERT(context.error().message.find("/nowhere/three.pem") != std::string::npos);
    settings = named();
    settings.sni[0].key = two.key();
    context = TlsContext::server(settings);
    CPPUNIT_ASSERT(!context);
    CPPUNIT_ASSERT(context.error().message.find("does not belong") != std::string::npos);
    settings = named();
    settings.sni.push_back(settings.sni[1]);
    context = TlsContext::server(settings);
    CPPUNIT_ASSERT(!context);
    CPPUNIT_ASSERT(context.error().message.find("twice") != std::string::npos);
    // Names alone are no ground to serve those who say none.
    settings = named();
    settings.certificate.clear();
    CPPUNIT_ASSERT(!TlsContext::server(settings));
  }

  void sessions_are_not_resumed_under_another_certificate() {
    const auto context = TlsContext::server(named()).value();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      const Visit first = visit(context, asking_for("one.example.com"), version);
      CPPUNIT_ASSERT(!first.reused);
      const Visit again = visit(context, resuming(first.session, asking_for("one.example.com")), version);
      CPPUNIT_ASSERT(again.reused && again.told().resumed);
      CPPUNIT_ASSERT_EQUAL(std::string("one.example.com"), again.told().server_name);
      const Visit elsewhere = visit(context, resuming(first.session, asking_for("x.example.com")), version);
      CPPUNIT_ASSERT(!elsewhere.reused && !elsewhere.told().resumed);
      CPPUNIT_ASSERT_EQUAL(std::string("two"), elsewhere.shown);
      CPPUNIT_ASSERT(!visit(context, resuming(first.session), version).reused);
    }
  }

  void damaged_names_do_no_harm() {
    // A ClientHello with a name, one byte of it changed at a time: it is
    // refused, or answered as one with another name.
    const auto context = TlsContext::server(named()).value();
    int fds[2];
    CPPUNIT_ASSERT_EQUAL(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    RawPeer wire{UniqueFd(fds[0])}, client_side{UniqueFd(fds[1])};
    RawTls tls(client_side.fd());
    SSL_set_tlsext_host_name(tls.ssl, "one.example.com");
    tls.handshake();
    wire.receive();
    const std::string hello = wire.received;
    const size_t at = hello.find("one.example.com");
    CPPUNIT_ASSERT(at != std::string::npos);
    for (size_t i = at - 9; i < at + 15; ++i)
      for (const unsigned char byte : {0x00, 0x01, 0x2a, 0x2e, 0x7f, 0xff}) {
        std::string damaged = hello;
        damaged[i] = static_cast<char>(byte);
        Server s(context);
        s.peer.send(damaged);
        s.peer.shut_write();
        s.until_closed();
        CPPUNIT_ASSERT_EQUAL(CloseReason::tls_failed, *s.handler.closed);
      }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TlsSniTest);

}  // namespace
