// The catalogue: rows that hold together, look-ups, canonical instance names.
#include "base/text.h"
#include "kit.h"

#include <set>

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

std::string canonical(ScopeKind kind, const char* name) {
  const auto instance = canonical_instance(scope_def(kind), name);
  return instance ? *instance : "refused: " + instance.error().message;
}

class CatalogueTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(CatalogueTest);
  CPPUNIT_TEST(rows_hold_together);
  CPPUNIT_TEST(keys_name_their_rows);
  CPPUNIT_TEST(defaults_convert);
  CPPUNIT_TEST(options_are_found_without_case);
  CPPUNIT_TEST(suggestions_prefer_what_fits_the_scope);
  CPPUNIT_TEST(scopes_stand_where_they_may);
  CPPUNIT_TEST(listens_are_canonical);
  CPPUNIT_TEST(nine_spellings_are_one_listen);
  CPPUNIT_TEST(peers_are_canonical);
  CPPUNIT_TEST(domains_are_canonical);
  CPPUNIT_TEST(names_are_canonical);
  CPPUNIT_TEST_SUITE_END();

  void rows_hold_together() {
    CPPUNIT_ASSERT(options().size() > 200);
    uint16_t row = 0;
    for (const OptionDef& option : options()) {
      const std::string name(option.name);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(name, row++, option.index);
      CPPUNIT_ASSERT_MESSAGE(name, find_option(option.name) == &option);
      CPPUNIT_ASSERT_MESSAGE(name, !option.help.empty() && !option.area.empty());
      CPPUNIT_ASSERT_MESSAGE(name, option.min <= option.max);
      CPPUNIT_ASSERT_MESSAGE(name, (option.type == Type::enumeration) == !option.choices.empty());
      CPPUNIT_ASSERT_MESSAGE(name, option.scopes != 0 || option.availability == Availability::unavailable);
      // What keeps its running value until restart is kept for the global scope and Security only.
      if (option.effect == Effect::restart && option.availability == Availability::available)
        CPPUNIT_ASSERT_MESSAGE(name,
                               option.scopes == in(ScopeKind::global) || option.scopes == in(ScopeKind::security));
      // What a Peer may say, a Pathway may say for it, and what the one may, the other may.
      if (option.scopes & in(ScopeKind::peer))
        CPPUNIT_ASSERT_EQUAL_MESSAGE(name, name != "Pathway", (option.scopes & in(ScopeKind::pathway)) != 0);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(name, (option.scopes & in(ScopeKind::pathway)) != 0,
                                   (option.scopes & in(ScopeKind::pathway_group)) != 0);
      CPPUNIT_ASSERT_MESSAGE(name, !option.unbuilt || option.availability == Availability::available);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(name, option.availability == Availability::unavailable,
                                   !unavailable_text(option).empty());
    }
  }
  void keys_name_their_rows() {
    CPPUNIT_ASSERT(definition(key::idle_time).name == "Idle_Time");
    CPPUNIT_ASSERT(definition(key::tls).name == "TLS");
    CPPUNIT_ASSERT(definition(key::diagnostic_log).name == "Diagnostic_Log");
    CPPUNIT_ASSERT(definition(key::rfc2822_lone_lf_in_body).name == "RFC2822_Lone_LF_In_Body");
    static_assert(std::is_same_v<decltype(key::relay_hosts), const Key<NetworkList>>);
  }
  void defaults_convert() {
    // A default that does not convert would silently be nothing.
    for (const OptionDef& option : options()) {
      if (option.default_text.empty()) continue;
      const std::string text = to_text(default_value(option, ScopeKind::global), option);
      const bool list = text.starts_with("(") || text.starts_with("[");
      const bool nothing = text.empty() || text == "\"\"" || text == "( )" || text == "[ ]";
      CPPUNIT_ASSERT_MESSAGE(std::string(option.name) + ": " + text,
                             !nothing || (list && option.default_text.size() == 3));
    }
    CPPUNIT_ASSERT(std::get<uint64_t>(default_value(definition(key::max_message_size), ScopeKind::global)) == 52428800);
    CPPUNIT_ASSERT(std::get<Strings>(default_value(definition(key::smtp_extensions), ScopeKind::global)).size() == 7);
  }
  void options_are_found_without_case() {
    CPPUNIT_ASSERT(find_option("lISTEN_bACKLOG") == &definition(key::listen_backlog));
    for (const char* name : {"", "Listen", "Listen_Backlogs", "zzz", "\xff"}) CPPUNIT_ASSERT(!find_option(name));
    CPPUNIT_ASSERT(find_scope("esmtp_LISTENER")->kind == ScopeKind::esmtp_listener);
    CPPUNIT_ASSERT(!find_scope("global") && !find_scope("") && !find_scope("ECCluster_Listener"));
    CPPUNIT_ASSERT(find_scope("ECStream_Listener")->kind == ScopeKind::ecstream_listener);
    CPPUNIT_ASSERT(find_scope("pathway")->kind == ScopeKind::pathway && find_option("Pathway"));
    CPPUNIT_ASSERT(is_unavailable_scope("eccluster_listener") && is_unavailable_scope("Cluster"));
    CPPUNIT_ASSERT(!is_unavailable_scope("pathway") && !is_unavailable_scope("Listen") && !is_unavailable_scope("Foo"));
  }
  void suggestions_prefer_what_fits_the_scope() {
    CPPUNIT_ASSERT(suggest_option("Lisen_Backlog", ScopeKind::listen) == "Listen_Backlog");
    CPPUNIT_ASSERT(suggest_option("Idle_Timee", ScopeKind::domain) == "Idle_Timeout");
    CPPUNIT_ASSERT(suggest_option("Idle_Timee", ScopeKind::peer) == "Idle_Time");
    CPPUNIT_ASSERT(suggest_option("Quite_Something_Else", ScopeKind::global).empty());
    CPPUNIT_ASSERT(suggest_scope("ESTMP_Listener") == "ESMTP_Listener");
    CPPUNIT_ASSERT_EQUAL(std::string("Binding_Group, Binding, Domain or the global scope"),
                         scope_names(definition(key::gateway).scopes));
    // What is not in this version is not offered.
    CPPUNIT_ASSERT_EQUAL(
        std::string("ESMTP_Listener, LMTP_Listener, HTTP_Listener, ECStream_Listener, Control_Listener or Listen"),
        scope_names(definition(key::file_mode).scopes));
    CPPUNIT_ASSERT(suggest_scope("ECCluster_Listene") != "ECCluster_Listener");
  }
  void scopes_stand_where_they_may() {
    CPPUNIT_ASSERT_EQUAL(scope_kinds, scopes().size());
    for (size_t i = 0; i < scope_kinds; ++i) {
      const ScopeDef& scope = scopes()[i];
      CPPUNIT_ASSERT(scope.kind == static_cast<ScopeKind>(i) && !scope.help.empty());
      const bool open = scope.kind != ScopeKind::global && scope.availability != Availability::unavailable;
      CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(scope.name), open, scope.parents != 0);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(scope.name), open, find_scope(scope.name) == &scope);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(scope.name), scope.availability == Availability::unavailable,
                                   is_unavailable_scope(scope.name));
    }
    const ScopeSet global = in(ScopeKind::global);
    CPPUNIT_ASSERT(find_scope("Pathway")->parents == (global | in(ScopeKind::pathway_group)));
    CPPUNIT_ASSERT(find_scope("Binding")->parents == (global | in(ScopeKind::binding_group)));
    CPPUNIT_ASSERT(find_scope("Domain")->parents == (global | in(ScopeKind::binding_group) | in(ScopeKind::binding)));
    CPPUNIT_ASSERT(find_scope("Role")->parents == in(ScopeKind::authorization));
  }
  void listens_are_canonical() {
    const auto listen = [](const char* name) { return canonical(ScopeKind::listen, name); };
    CPPUNIT_ASSERT_EQUAL(std::string("*:25"), listen(":25"));
    CPPUNIT_ASSERT_EQUAL(std::string("*:25"), listen("0.0.0.0:25"));
    CPPUNIT_ASSERT_EQUAL(std::string("[*]:25"), listen("[::]:25"));
    CPPUNIT_ASSERT_EQUAL(std::string("[*]:25"), listen("[0:0:0:0:0:0:0:0]:25"));
    CPPUNIT_ASSERT_EQUAL(std::string("/tmp/2025"), listen("/tmp/2025"));
    for (const char* bad : {"", "25", "example.com:25", "10.0.0.1", "::1:25", "[::1]", "*:65536", "*:x", "[::1::]:25"})
      ASSERT_HOLDS("refused: expected an address such as", listen(bad));
  }
  void nine_spellings_are_one_listen() {
    for (const char* text : {"2001:db8::1:0:0:1", "2001:0db8::1:0:0:1", "2001:db8:0:0:1:0:0:1", "2001:db8:0:0:1::1",
                             "2001:DB8::1:0:0:1", "2001:db8:0::1:0:0:1", "2001:0db8:0000:0000:0001:0000:0000:0001",
                             "2001:db8::1:0:0:0001", "2001:dB8:0:0:1:0::1"})
      CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::1:0:0:1]:25"),
                           canonical(ScopeKind::listen, ("[" + std::string(text) + "]:25").c_str()));
  }
  void peers_are_canonical() {
    const auto peer = [](const char* name) { return canonical(ScopeKind::peer, name); };
    CPPUNIT_ASSERT_EQUAL(std::string("10.0.0.0/8"), peer("10.1.2.3/8"));
    CPPUNIT_ASSERT_EQUAL(std::string("10.0.0.1"), peer("10.0.0.1/32"));
    CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::/32"), peer("2001:0DB8:1::/32"));
    CPPUNIT_ASSERT_EQUAL(std::string("0.0.0.0/0"), peer("1.2.3.4/0"));
    for (const char* bad : {"", "10.0.0.0/33", "10.0.0", "host", "::/129", "10.0.0.1:25"})
      ASSERT_HOLDS("refused: expected a network", peer(bad));
  }
  void domains_are_canonical() {
    const auto domain = [](const char* name) { return canonical(ScopeKind::domain, name); };
    CPPUNIT_ASSERT_EQUAL(std::string("example.com"), domain("Example.COM."));
    CPPUNIT_ASSERT_EQUAL(std::string("[192.0.2.1]"), domain("[192.0.2.1]"));
    CPPUNIT_ASSERT_EQUAL(std::string("/google\\.(com|es)$/"), domain("/google\\.(com|es)$/"));
    CPPUNIT_ASSERT_EQUAL(std::string("/\\D/"), domain("/\\D/"));
    ASSERT_HOLDS("refused: expected a pattern between slashes", domain("/x"));
    ASSERT_HOLDS("refused: expected a pattern between slashes, got nothing", domain("//"));
    ASSERT_HOLDS("refused: expected a pattern between slashes", domain("/"));
    ASSERT_HOLDS("refused: the pattern /a(b/ is wrong at 4: missing closing parenthesis", domain("/a(b/"));
    for (const char* bad : {"", ".", "a..b", "a b", "*.x",
                            "b\xc3\xbc"
                            "cher.example"})
      ASSERT_HOLDS("refused: expected a domain", domain(bad));
  }
  void names_are_canonical() {
    CPPUNIT_ASSERT_EQUAL(std::string("Main"), canonical(ScopeKind::certificate, "Main"));
    for (const char* bad : {"", "a b", "a/b", "a\n"}) ASSERT_HOLDS("refused: ", canonical(ScopeKind::certificate, bad));
    ASSERT_HOLDS("takes no name", canonical(ScopeKind::esmtp_listener, "x"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(CatalogueTest);

}  // namespace
