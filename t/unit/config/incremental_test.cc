// Edits one by one, each compiled over the snapshot before it and from
// nothing: both have to come to the same values, Listens and errors.
#include "config/tree_edit.h"
#include "kit.h"

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <utility>

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

using Choices = std::vector<std::pair<const OptionDef*, std::vector<const char*>>>;

const Choices& choices(ScopeKind kind) {
  const auto option = [](auto key) { return &definition(key); };
  static const std::vector<const char*> numbers{"3", "4", "5"};
  static const std::vector<const char*> flags{"true", "false"};
  static const std::vector<const char*> certificates{"", "one", "two"};
  static const Choices of_listener{{option(key::max_errors), numbers},
                                   {option(key::max_recipients_per_message), numbers},
                                   {option(key::use_ssl), flags},
                                   {option(key::tls_required), flags},
                                   {option(key::tls_certificate), certificates},
                                   {option(key::pathway), {"", "in", "out", "default"}},
                                   {option(key::enable), flags},
                                   {option(key::event_loop), {"default", "fast"}},
                                   {option(key::pool_name), {"", "default", "fast", "slow"}}};
  static const Choices of_peer(of_listener.begin(), of_listener.end() - 3);
  static const Choices of_pathway(of_listener.begin(), of_listener.end() - 4);
  static const Choices of_delivery{{option(key::max_retries), numbers},
                                   {option(key::max_outbound_connections), numbers},
                                   {option(key::delivery_method), {"maildir", "esmtp"}},
                                   {option(key::maildir_path), {"", "/m", "/n"}}};
  static const Choices of_certificate{{option(key::cert), {"/a.pem", "/b.pem"}},
                                      {option(key::private_key), {"/a.key", "/b.key"}}};
  static const Choices of_loop{{option(key::concurrency), numbers}};
  static const Choices of_global = [&] {
    Choices all = of_delivery;
    all.insert(all.end(), of_pathway.begin(), of_pathway.end());
    all.emplace_back(option(key::default_binding), std::vector<const char*>{"a", "b"});
    all.emplace_back(option(key::hostname), std::vector<const char*>{"a.example", "b.example"});
    return all;
  }();
  switch (kind) {
    case ScopeKind::global:
      return of_global;
    case ScopeKind::esmtp_listener:
    case ScopeKind::listen:
      return of_listener;
    case ScopeKind::peer:
      return of_peer;
    case ScopeKind::pathway:
    case ScopeKind::pathway_group:
      return of_pathway;
    case ScopeKind::certificate:
      return of_certificate;
    case ScopeKind::event_loop:
    case ScopeKind::thread_pool:
      return of_loop;
    default:
      return of_delivery;
  }
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  size_t below(size_t n) { return engine_() % n; }
  const char* one_of(std::vector<const char*> names) { return names[below(names.size())]; }

  ScopePath path() {
    const auto listener = [&] { return PathStep{ScopeKind::esmtp_listener, ""}; };
    const auto listen = [&] {
      return PathStep{ScopeKind::listen, one_of({"*:25", "*:587", "127.0.0.1:25", "[*]:25", "127.0.0.2:0"})};
    };
    const auto peer = [&] {
      return PathStep{ScopeKind::peer, one_of({"10.0.0.0/8", "10.1.0.0/16", "10.1.1.1", "::/0", "0.0.0.0/0"})};
    };
    const auto pathway = [&] { return PathStep{ScopeKind::pathway, one_of({"in", "out", "default"})}; };
    const auto domain = [&] {
      return PathStep{ScopeKind::domain, one_of({"a.example", "b.example", "/example/", "/^a/", "/[bc]\\./"})};
    };
    const auto binding = [&] { return PathStep{ScopeKind::binding, one_of({"a", "b", "c"})}; };
    const auto group = [&] { return PathStep{ScopeKind::binding_group, one_of({"g", "h"})}; };
    switch (below(16)) {
      case 0:
      case 1:
        return {};
      case 2:
        return {listener()};
      case 3:
        return {listener(), peer()};
      case 4:
      case 5:
        return {listener(), listen()};
      case 6:
      case 7:
        return {listener(), listen(), peer()};
      case 8:
        return {pathway()};
      case 9:
        return {{ScopeKind::pathway_group, one_of({"p", "q"})}, pathway()};
      case 10:
        return {{ScopeKind::certificate, one_of({"one", "two"})}};
      case 11:
        return below(2) ? ScopePath{{ScopeKind::event_loop, one_of({"fast", "default"})}}
                        : ScopePath{{ScopeKind::thread_pool, one_of({"fast", "slow"})}};
      case 12:
        return {binding(), domain()};
      case 13:
        return below(2) ? ScopePath{group(), domain()} : ScopePath{group(), binding(), domain()};
      case 14:
        return below(2) ? ScopePath{group(), binding()} : ScopePath{binding()};
      default:
        return {domain()};
    }
  }

  // An option set, one taken away, or a scope taken away.
  ScopePtr edited(const ScopePtr& root) {
    const ScopePath at = path();
    const size_t what = below(8);
    if (what == 0 && !at.empty() && find_scope(root, at))
      return edit_scope(root, at, {}, [](const ScopePtr&) { return nullptr; });
    const Choices& all = choices(at.empty() ? ScopeKind::global : at.back().kind);
    const auto& [option, values] = all[below(all.size())];
    if (what == 1)
      return edit_scope(root, at, {}, [&](const ScopePtr& scope) { return scope->without_setting(*option); });
    auto setting = std::make_shared<Setting>();
    setting->option = option;
    setting->value = convert(word(one_of(values)), *option).value();
    setting->origin = {nullptr, {++line_, 1}};
    return edit_scope(root, at, {}, [&](const ScopePtr& scope) { return scope->with_setting(setting); });
  }

 private:
  std::mt19937 engine_;
  uint32_t line_ = 0;
};

std::set<std::string> errors(const Diagnostics& diagnostics) {
  std::set<std::string> found;
  for (const Diagnostic& diagnostic : diagnostics)
    if (diagnostic.severity == Diagnostic::Severity::error) found.insert(diagnostic.render());
  return found;
}

std::string joined(const std::set<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

class IncrementalTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(IncrementalTest);
  CPPUNIT_TEST(edits_one_by_one_against_all_at_once);
  CPPUNIT_TEST(what_an_edit_does_not_reach_is_shared);
  CPPUNIT_TEST(listens_that_come_and_go);
  CPPUNIT_TEST(a_peer_relies_on_what_holds_it);
  CPPUNIT_TEST_SUITE_END();

  static void compare(const std::string& where, const Options& a, const Options& b) {
    for (const OptionDef& option : options())
      CPPUNIT_ASSERT_EQUAL_MESSAGE(where + " " + std::string(option.name), to_text(b.raw(option), option),
                                   to_text(a.raw(option), option));
    CPPUNIT_ASSERT_MESSAGE(where, a.equivalent(b));
  }

  static void compare(const std::string& where, const Snapshot& a, const Snapshot& b) {
    compare(where + " global", a.global(), b.global());
    CPPUNIT_ASSERT_EQUAL_MESSAGE(where, b.listens().size(), a.listens().size());
    for (size_t i = 0; i < a.listens().size(); ++i) {
      const ListenConf &one = *a.listens()[i], &other = *b.listens()[i];
      const std::string listen = where + " " + one.endpoint().to_string();
      CPPUNIT_ASSERT_EQUAL_MESSAGE(listen, other.endpoint().to_string(), one.endpoint().to_string());
      CPPUNIT_ASSERT_MESSAGE(listen, one.listener() == other.listener());
      CPPUNIT_ASSERT_EQUAL_MESSAGE(listen, other.enabled(), one.enabled());
      CPPUNIT_ASSERT(a.find_listen(one.listener(), one.endpoint()) == &one);
      compare(listen, one.options(), other.options());
      for (const char* client : {"10.1.1.1", "10.1.9.9", "10.9.9.9", "192.0.2.1", "::1"})
        compare(listen + " " + client, one.for_peer(ip(client)), other.for_peer(ip(client)));
    }
    for (const char* binding : {"a", "b", "c", ""})
      for (const char* domain : {"a.example", "b.example", "c.test", "other"})
        compare(where + " " + binding + " " + domain, a.for_delivery(binding, domain), b.for_delivery(binding, domain));
    compare(where + " by default", a.for_domain("b.example"), b.for_domain("b.example"));
    CPPUNIT_ASSERT(a.bindings() == b.bindings());
    CPPUNIT_ASSERT(a.certificates() == b.certificates());
    for (const std::string& name : a.certificates()) compare(where, *a.certificate(name), *b.certificate(name));
    CPPUNIT_ASSERT(a.event_loops() == b.event_loops());
    for (const std::string& name : a.event_loops()) compare(where, *a.event_loop(name), *b.event_loop(name));
  }

  void edits_one_by_one_against_all_at_once() {
    size_t taken = 0, refused = 0;
    for (unsigned seed = 1; seed <= 6; ++seed) {
      Random random(seed);
      SnapshotPtr now = snapshot("");
      for (int i = 0; i < 100; ++i) {
        const ScopePtr root = random.edited(now->root());
        const std::string where = fmt::format("seed {}, edit {}", seed, i);
        Diagnostics of_next, of_fresh;
        SnapshotPtr next = compile(root, now->generation() + 1, of_next, now);
        const SnapshotPtr fresh = compile(root, 1, of_fresh);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(where, joined(errors(of_fresh)), joined(errors(of_next)));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(where, fresh == nullptr, next == nullptr);
        ++(next ? taken : refused);
        if (!next) continue;
        compare(where, *next, *fresh);
        now = next;
      }
    }
    CPPUNIT_ASSERT(taken > 200 && refused > 20);
  }

  static SnapshotPtr with(const SnapshotPtr& now, std::vector<std::string> words, const OptionDef& option,
                          const char* value, bool fails = false) {
    auto setting = std::make_shared<Setting>();
    setting->option = &option;
    setting->value = convert(word(value), option).value();
    Diagnostics diagnostics;
    SnapshotPtr made = compile(edit_scope(now->root(), read_path(words)->path, {},
                                          [&](const ScopePtr& scope) { return scope->with_setting(setting); }),
                               now->generation() + 1, diagnostics, now);
    CPPUNIT_ASSERT_MESSAGE(all(diagnostics), fails == !made);
    return made;
  }

  void what_an_edit_does_not_reach_is_shared() {
    const SnapshotPtr first = snapshot(
        "ESMTP_Listener { Listen \":25\" { } Listen \":26\" { } }\n"
        "Domain a.example { Max_Retries = 1 }\n");
    const SnapshotPtr domain = with(first, {"domain", "a.example"}, definition(key::max_retries), "2");
    CPPUNIT_ASSERT(&first->listens() == &domain->listens());
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, domain->for_domain("a.example")[key::max_retries]);
    const SnapshotPtr listen = with(domain, {"esmtp_listener", "listen", ":26"}, definition(key::max_errors), "2");
    CPPUNIT_ASSERT(listen->listens()[0] == first->listens()[0] && listen->listens()[1] != first->listens()[1]);
    CPPUNIT_ASSERT(&listen->for_domain("a.example") == &domain->for_domain("a.example"));
  }

  void listens_that_come_and_go() {
    SnapshotPtr now = snapshot("ESMTP_Listener { Listen \":26\" { } }\nControl_Listener { Listen \"/c\" { } }\n");
    now = with(now, {"esmtp_listener", "listen", ":25"}, definition(key::max_errors), "2");
    now = with(now, {"control_listener", "listen", "127.0.0.1:9"}, definition(key::enable), "true");
    now = with(now, {"esmtp_listener", "listen", ":27"}, definition(key::enable), "false");
    std::string text;
    for (const auto& conf : now->listens()) text += conf->endpoint().to_string() + (conf->enabled() ? " " : "- ");
    CPPUNIT_ASSERT_EQUAL(std::string("*:25 *:26 *:27- 127.0.0.1:9 /c "), text);
    // One address, two listeners: whichever comes second.
    with(now, {"control_listener", "listen", ":26"}, definition(key::enable), "true", true);
    with(now, {"esmtp_listener", "listen", "127.0.0.1:9"}, definition(key::enable), "true", true);
    Diagnostics diagnostics;
    now = compile(
        edit_scope(now->root(), {{ScopeKind::control_listener, ""}}, {}, [](const ScopePtr&) { return nullptr; }), 9,
        diagnostics, now);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, now->listens().size());
    with(now, {"control_listener", "listen", ":26"}, definition(key::enable), "true", true);
  }

  // The certificate of a wider Peer serves those inside it.
  void a_peer_relies_on_what_holds_it() {
    const SnapshotPtr now = snapshot(
        "Certificate one { Cert = /a Private_Key = /b }\n"
        "ESMTP_Listener {\n"
        "  Peer 10.0.0.0/8 { TLS_Certificate = one }\n"
        "  Listen \":25\" { Peer 10.1.0.0/16 { Use_SSL = true } }\n"
        "}\n");
    with(now, {"esmtp_listener", "peer", "10.0.0.0/8"}, definition(key::tls_certificate), "", true);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(IncrementalTest);

}  // namespace
