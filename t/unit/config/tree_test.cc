// Trees: building from text with every mistake told, path copying, paths.
#include "config/children.h"
#include "kit.h"

#include <algorithm>
#include <random>
#include <set>

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

Setting setting_of(const OptionDef& option, const char* text) {
  return {&option, convert(word(text), option).value(), {}};
}
std::shared_ptr<const Setting> shared(const OptionDef& option, const char* text) {
  return std::make_shared<const Setting>(setting_of(option, text));
}
ScopePtr peer(const std::string& network) {
  return std::make_shared<const Scope>(scope_def(ScopeKind::peer), network, Origin{});
}

std::string titles(const Scope& scope) {
  std::string text;
  scope.each_child([&](const ScopePtr& child) { text += child->title() + ";"; });
  return text;
}

std::string path_of(std::vector<std::string> words) {
  const auto found = read_path(words);
  if (!found) return "refused: " + found.error().message;
  return fmt::format("{}|{}", to_string(found->path), found->used);
}

class TreeTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TreeTest);
  CPPUNIT_TEST(a_scope_repeated_is_reopened);
  CPPUNIT_TEST(reopening_is_saying_it_all_at_once);
  CPPUNIT_TEST(settings_can_be_read_as_they_were_written);
  CPPUNIT_TEST(the_later_option_wins);
  CPPUNIT_TEST(children_keep_their_order);
  CPPUNIT_TEST(includes_stand_where_they_are);
  CPPUNIT_TEST(unknown_option_is_placed_and_suggested);
  CPPUNIT_TEST(option_in_the_wrong_scope_names_the_right_ones);
  CPPUNIT_TEST(bad_value_is_placed_at_the_value);
  CPPUNIT_TEST(what_is_not_in_this_version_is_refused_by_name);
  CPPUNIT_TEST(retired_options_are_noticed);
  CPPUNIT_TEST(scope_mistakes);
  CPPUNIT_TEST(one_run_reports_every_mistake);
  CPPUNIT_TEST(mistakes_in_includes_show_the_way);
  CPPUNIT_TEST(thousands_of_mistakes_are_cut);
  CPPUNIT_TEST(path_copy_shares_what_it_did_not_touch);
  CPPUNIT_TEST(edits_leave_the_old_tree_alone);
  CPPUNIT_TEST(map_against_model);
  CPPUNIT_TEST(map_shape_does_not_depend_on_history);
  CPPUNIT_TEST(difference_against_model);
  CPPUNIT_TEST(paths_are_read);
  CPPUNIT_TEST(M21_a_bare_port_names_the_listen_that_is_there);
  CPPUNIT_TEST(paths_find_scopes);
  CPPUNIT_TEST_SUITE_END();

  void a_scope_repeated_is_reopened() {
    const ScopePtr root = tree(
        "ESMTP_Listener { Listen \":25\" { Max_Errors = 1 } }\n"
        "esmtp_listener { Listen \"*:25\" { Error_Delay = 2 } Listen \"0.0.0.0:25\" { } }\n");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, root->child_count());
    const ScopePtr listener = root->child(ScopeKind::esmtp_listener, "");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, listener->child_count());
    const ScopePtr listen = listener->child(ScopeKind::listen, "*:25");
    CPPUNIT_ASSERT(listen->find(definition(key::max_errors)) && listen->find(definition(key::error_delay)));
    CPPUNIT_ASSERT_EQUAL(std::string("test.conf:1:18"), listen->origin().to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("Listen \"*:25\""), listen->title());
  }
  // Opened again and again, further in too: the same as said once, in order.
  void reopening_is_saying_it_all_at_once() {
    const ScopePtr pieces = tree(
        "ESMTP_Listener { Max_Errors = 1 Listen \":25\" { Max_Errors = 2 Peer 10.0.0.0/8 { Max_Errors = 3 } } }\n"
        "Domain a.example { Max_Retries = 1 }\n"
        "ESMTP_Listener { Listen \":25\" { Peer 10.0.0.0/8 { Error_Delay = 1 Max_Errors = 4 } Peer 10.0.0.1 { } } }\n"
        "Domain a.example { Max_Retries = 2 }\n"
        "ESMTP_Listener { Max_Errors = 5 Peer 10.0.0.0/8 { } Listen \":26\" { } Listen \":25\" { Error_Delay = 6 } "
        "}\n");
    const ScopePtr whole = tree(
        "ESMTP_Listener { Max_Errors = 5 Listen \":25\" { Max_Errors = 2 Error_Delay = 6 Peer 10.0.0.0/8 { Max_Errors "
        "= 4 "
        "Error_Delay = 1 } Peer 10.0.0.1 { } } Peer 10.0.0.0/8 { } Listen \":26\" { } } Domain a.example { Max_Retries "
        "= 2 "
        "}\n");
    CPPUNIT_ASSERT(diff(pieces, whole).empty());
    CPPUNIT_ASSERT_EQUAL(titles(*whole), titles(*pieces));
    const ScopePtr listener = pieces->child(ScopeKind::esmtp_listener, "");
    CPPUNIT_ASSERT_EQUAL(std::string("Listen \"*:25\";Peer \"10.0.0.0/8\";Listen \"*:26\";"), titles(*listener));
    const ScopePtr peer = listener->child(ScopeKind::listen, "*:25")->child(ScopeKind::peer, "10.0.0.0/8");
    CPPUNIT_ASSERT_EQUAL(std::string("test.conf:3:67"), peer->find(definition(key::max_errors))->origin.to_string());
  }
  void settings_can_be_read_as_they_were_written() {
    const ScopePtr root = tree("Hostname = 'a.example' Relay_Hosts = ( 10.0.0.0/8 # ten\n ::1 )\n");
    CPPUNIT_ASSERT_EQUAL(std::string("a.example"), root->find(definition(key::hostname))->written().text);
    CPPUNIT_ASSERT_EQUAL(std::string("( 10.0.0.0/8 ::1 )"),
                         root->find(definition(key::relay_hosts))->written().to_string());
  }
  void the_later_option_wins() {
    const ScopePtr root = tree("Hostname = a.example\nHOSTNAME = b.example\n");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, root->settings().size());
    const Setting* setting = root->find(definition(key::hostname));
    CPPUNIT_ASSERT(setting && std::get<std::string>(setting->value) == "b.example" && !setting->edited);
    CPPUNIT_ASSERT_EQUAL(std::string("test.conf:2:1"), setting->origin.to_string());
  }
  void children_keep_their_order() {
    const ScopePtr root = tree("Domain z.example { }\nEventLoop b { }\nDomain A.example { }\nEventLoop a { }\n");
    CPPUNIT_ASSERT_EQUAL(std::string("Domain \"z.example\";EventLoop \"b\";Domain \"a.example\";EventLoop \"a\";"),
                         titles(*root));
    const ScopePtr more =
        root->with_child(std::make_shared<const Scope>(scope_def(ScopeKind::domain), "m.example", Origin{}));
    CPPUNIT_ASSERT(titles(*more).ends_with("\"a\";Domain \"m.example\";"));
    // Replacing keeps the place.
    CPPUNIT_ASSERT_EQUAL(titles(*root), titles(*root->with_child(root->child(ScopeKind::event_loop, "b"))));
  }
  void includes_stand_where_they_are() {
    Files files;
    files.texts["main.conf"] = "Domain a.example { include \"part.conf\" Gateway = ( three.example ) }\n";
    files.texts["part.conf"] = "Gateway = ( one.example )\nMax_Retries = 4\n";
    Built built = build(load("main.conf", files.options()));
    CPPUNIT_ASSERT_MESSAGE(all(built.diagnostics), !has_errors(built.diagnostics));
    const ScopePtr domain = built.root->child(ScopeKind::domain, "a.example");
    CPPUNIT_ASSERT((std::get<Strings>(domain->find(definition(key::gateway))->value) == Strings{"three.example"}));
    ASSERT_HOLDS("part.conf:2:1", domain->find(definition(key::max_retries))->origin.to_string());
  }
  void unknown_option_is_placed_and_suggested() {
    const std::string text = mistakes("ESMTP_Listener {\n  Listen \":25\" {\n    Lisen_Backlog = 5\n  }\n}\n");
    ASSERT_HOLDS("test.conf:3:5: error: unknown option 'Lisen_Backlog'", text);
    ASSERT_HOLDS("config-unknown-option", text);
    ASSERT_HOLDS("did you mean 'Listen_Backlog'?", text);
    ASSERT_HOLDS("Listen is a scope", mistakes("ESMTP_Listener { Listen = \":25\" }\n"));
  }
  void option_in_the_wrong_scope_names_the_right_ones() {
    const std::string text = mistakes("Listen_Backlog = 5\n");
    ASSERT_HOLDS("test.conf:1:1: error: Listen_Backlog may not stand in the global scope", text);
    ASSERT_HOLDS(
        "it may stand in ESMTP_Listener, LMTP_Listener, HTTP_Listener, ECStream_Listener, Control_Listener or Listen",
        text);
    ASSERT_HOLDS("Spoolbase may not stand in Domain", mistakes("Domain a.example { Spoolbase = /x }\n"));
    ASSERT_HOLDS("Enable may not stand in Peer", mistakes("ESMTP_Listener { Peer 10.0.0.0/8 { Enable = no } }\n"));
  }
  void bad_value_is_placed_at_the_value() {
    const std::string text = mistakes("Hostname = mx.example\nShutdown_Timeout = soon\n");
    ASSERT_HOLDS("test.conf:2:20: error: Shutdown_Timeout: expected a duration such as 30s or 5m, got 'soon'", text);
    ASSERT_HOLDS("config-bad-value", text);
  }
  void what_is_not_in_this_version_is_refused_by_name() {
    ASSERT_HOLDS("test.conf:1:18: error: Trust_Forwarded is not available in this version",
                 mistakes("ESMTP_Listener { Trust_Forwarded = a }\n"));
    // Also where it would not fit, and with any value.
    ASSERT_HOLDS("TimestampFormat is not available in this version", mistakes("TimestampFormat = [ x = y ]\n"));
    for (const char* scope : {"eccluster_listener", "ECCluster_Listener", "Cluster"}) {
      const std::string text = mistakes(std::string(scope) + " { Nonsense = 1 }\n");
      ASSERT_HOLDS("is not available in this version", text);
      CPPUNIT_ASSERT(!holds(text, "Nonsense = 1\n\n") && !holds(text, "unknown"));
    }
    // Consoles are on the main loop, and nobody's.
    for (const char* option : {"Event_Loop", "Pool_Name", "Concurrency", "Tenant"})
      ASSERT_HOLDS(std::string(option) + " is not available in Control_Listener in this version",
                   mistakes("Control_Listener { Listen \"127.0.0.1:1\" { " + std::string(option) + " = 1 } }\n"));
    ASSERT_HOLDS("XFORWARD is not available in this version",
                 mistakes("ESMTP_Listener { SMTP_Extensions = ( SIZE XFORWARD ) }\n"));
  }
  void retired_options_are_noticed() {
    const Built built = build_text("Match_Cache_Size = 100\n");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, built.diagnostics.size());
    CPPUNIT_ASSERT(built.diagnostics[0].severity == Diagnostic::Severity::notice);
    CPPUNIT_ASSERT_EQUAL(std::string("config-retired"), built.diagnostics[0].id);
    CPPUNIT_ASSERT(built.root->find(definition(key::match_cache_size)));
  }
  void scope_mistakes() {
    ASSERT_HOLDS("unknown scope 'ESTMP_Listener'", mistakes("ESTMP_Listener { }\n"));
    ASSERT_HOLDS("did you mean 'ESMTP_Listener'?", mistakes("ESTMP_Listener { }\n"));
    ASSERT_HOLDS("Listen may not stand in the global scope", mistakes("Listen \":25\" { }\n"));
    ASSERT_HOLDS("it may stand in ESMTP_Listener, LMTP_Listener, HTTP_Listener, ECStream_Listener or Control_Listener",
                 mistakes("Listen \":25\" { }\n"));
    ASSERT_HOLDS("Peer may not stand in Domain", mistakes("Domain a.example { Peer 10.0.0.0/8 { } }\n"));
    ASSERT_HOLDS("expected an address such as", mistakes("ESMTP_Listener { Listen { } }\n"));
    ASSERT_HOLDS("test.conf:1:25: error: expected an address", mistakes("ESMTP_Listener { Listen \"mx:25\" { } }\n"));
    ASSERT_HOLDS("expected a network", mistakes("ESMTP_Listener { Peer nowhere { } }\n"));
    ASSERT_HOLDS("takes no name", mistakes("ESMTP_Listener \"x\" { }\n"));
    ASSERT_HOLDS("Hostname is an option (string), not a scope", mistakes("Hostname { }\n"));
  }
  void one_run_reports_every_mistake() {
    const std::string text =
        mistakes("Foo = 1\nListen \":25\" {\n  Bar = 2\n  Max_Errors = x\n}\nHostname = \"a b\"\n");
    for (const char* part : {"1:1: error", "2:1: error", "3:3: error", "4:16: error", "6:12: error"})
      ASSERT_HOLDS(part, text);
  }
  void mistakes_in_includes_show_the_way() {
    Files files;
    files.texts["main.conf"] = "\ninclude \"a.conf\"\n";
    files.texts["a.conf"] = "include \"b.conf\"\n";
    files.texts["b.conf"] = "Foo = 1\n";
    const Built built = build(load("main.conf", files.options()));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, built.diagnostics.size());
    const auto& stack = built.diagnostics[0].include_stack;
    CPPUNIT_ASSERT_EQUAL(size_t{2}, stack.size());
    ASSERT_HOLDS("a.conf:1:", stack[0].to_string());
    ASSERT_HOLDS("main.conf:2:", stack[1].to_string());
  }
  void thousands_of_mistakes_are_cut() {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += "Nonsense = 1\n";
    const Built built = build_text(text);
    CPPUNIT_ASSERT(has_errors(built.diagnostics) && built.diagnostics.size() < 300);
    ASSERT_HOLDS("4800 more", built.diagnostics.back().message);
  }
  void path_copy_shares_what_it_did_not_touch() {
    const ScopePtr root = tree(
        "Domain a.example { Max_Retries = 1 }\nDomain b.example { }\n"
        "ESMTP_Listener { Listen \":25\" { } Listen \":26\" { Peer 10.0.0.0/8 { } } }\n");
    const ScopePath path{{ScopeKind::esmtp_listener, ""}, {ScopeKind::listen, "*:25"}};
    const ScopePtr next = edit_scope(root, path, {}, [](const ScopePtr& scope) {
      return scope->with_setting(shared(definition(key::max_errors), "7"));
    });
    CPPUNIT_ASSERT(next != root);
    CPPUNIT_ASSERT(find_scope(next, path) != find_scope(root, path));
    CPPUNIT_ASSERT(find_scope(next, path)->find(definition(key::max_errors)));
    CPPUNIT_ASSERT(!find_scope(root, path)->find(definition(key::max_errors)));
    for (const char* name : {"a.example", "b.example"})
      CPPUNIT_ASSERT(next->child(ScopeKind::domain, name) == root->child(ScopeKind::domain, name));
    const ScopePath other{{ScopeKind::esmtp_listener, ""}, {ScopeKind::listen, "*:26"}};
    CPPUNIT_ASSERT(find_scope(next, other) == find_scope(root, other));
    const ScopePtr domain = root->child(ScopeKind::domain, "a.example");
    CPPUNIT_ASSERT(
        domain->find(definition(key::max_retries)) ==
        domain->with_setting(shared(definition(key::never_retry), "on"))->find(definition(key::max_retries)));
  }
  void edits_leave_the_old_tree_alone() {
    const ScopePtr root = tree("Domain a.example { Max_Retries = 1 }\n");
    const ScopePtr gone = root->without_child(ScopeKind::domain, "a.example");
    CPPUNIT_ASSERT_EQUAL(size_t{0}, gone->child_count());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, root->child_count());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, root->without_child(ScopeKind::domain, "b.example")->child_count());
    const ScopePtr bare = root->child(ScopeKind::domain, "a.example")->without_setting(definition(key::max_retries));
    CPPUNIT_ASSERT(bare->settings().empty());
    CPPUNIT_ASSERT(root->child(ScopeKind::domain, "a.example")->find(definition(key::max_retries)));
    const ScopePtr opened =
        edit_scope(gone, {{ScopeKind::domain, "n.example"}}, {}, [](const ScopePtr& s) { return s; });
    CPPUNIT_ASSERT(opened->child(ScopeKind::domain, "n.example"));
    CPPUNIT_ASSERT(!edit_scope(opened, {{ScopeKind::domain, "n.example"}}, {}, [](const ScopePtr&) {
                      return ScopePtr{};
                    })->child(ScopeKind::domain, "n.example"));
  }
  void map_against_model() {
    std::mt19937 random(1);
    ChildMap map;
    std::map<std::string, ScopePtr> model;
    for (uint32_t i = 0; i < 4000; ++i) {
      const std::string name = std::to_string(random() % 500);
      if (random() % 3 == 0) {
        map = map.without(name);
        model.erase(name);
      } else {
        const ScopePtr scope = peer(name);
        map = map.with({scope, i});
        model[name] = scope;
      }
    }
    size_t count = 0;
    map.each([&](const ChildMap::Entry&) { ++count; });
    CPPUNIT_ASSERT_EQUAL(model.size(), count);
    auto next = model.begin();
    map.each([&](const ChildMap::Entry& entry) { CPPUNIT_ASSERT(entry.scope == (next++)->second); });
    for (int i = 0; i < 500; ++i) {
      const auto found = model.find(std::to_string(i));
      const ChildMap::Entry* entry = map.find(std::to_string(i));
      CPPUNIT_ASSERT((entry != nullptr) == (found != model.end()));
      CPPUNIT_ASSERT(!entry || entry->scope == found->second);
    }
  }
  // The difference of a map built at once and one edited into the same finds nothing but the edits.
  void map_shape_does_not_depend_on_history() {
    std::vector<ChildMap::Entry> entries;
    for (uint32_t i = 0; i < 1000; ++i) entries.push_back({peer(std::to_string(i)), i});
    const ChildMap built(entries);
    ChildMap edited;
    std::mt19937 random(2);
    std::ranges::shuffle(entries, random);
    for (const auto& entry : entries) edited = edited.with(entry);
    edited = edited.with({peer("extra"), 5000}).without("extra");
    size_t differences = 0;
    ChildMap::difference(built, edited, [&](const ScopePtr&, const ScopePtr&) { return ++differences, true; });
    CPPUNIT_ASSERT_EQUAL(size_t{0}, differences);
  }
  void difference_against_model() {
    std::mt19937 random(3);
    for (int round = 0; round < 200; ++round) {
      std::vector<ChildMap::Entry> entries;
      for (uint32_t i = 0; i < random() % 60; ++i) entries.push_back({peer(std::to_string(i * 7)), i});
      const ChildMap before(entries);
      ChildMap after = before;
      for (uint32_t i = 0; i < random() % 20; ++i) {
        const std::string name = std::to_string(random() % 420);
        after = random() % 2 ? after.with({peer(name), 100 + i}) : after.without(name);
      }
      std::map<std::string, std::pair<ScopePtr, ScopePtr>> expected, found;
      before.each([&](const ChildMap::Entry& e) { expected[e.scope->instance()].first = e.scope; });
      after.each([&](const ChildMap::Entry& e) { expected[e.scope->instance()].second = e.scope; });
      std::erase_if(expected, [](const auto& item) { return item.second.first == item.second.second; });
      ChildMap::difference(before, after, [&](const ScopePtr& was, const ScopePtr& is) {
        found[(is ? is : was)->instance()] = {was, is};
        return true;
      });
      CPPUNIT_ASSERT(expected == found);
      size_t seen = 0;  // stops when told to
      const bool complete =
          ChildMap::difference(before, after, [&](const ScopePtr&, const ScopePtr&) { return ++seen, false; });
      CPPUNIT_ASSERT_EQUAL(expected.empty(), complete);
      CPPUNIT_ASSERT(seen <= 1);
    }
  }
  void paths_are_read() {
    CPPUNIT_ASSERT_EQUAL(std::string("esmtp_listener listen *:25 peer 10.0.0.1|5"),
                         path_of({"ESMTP_listener", "LISTEN", ":25", "peer", "10.0.0.1/32"}));
    CPPUNIT_ASSERT_EQUAL(std::string("esmtp_listener listen *:25|3"),
                         path_of({"esmtp_listener", "listen", ":25", "enable", "false"}));
    CPPUNIT_ASSERT_EQUAL(std::string("|0"), path_of({"hostname", "listen"}));
    CPPUNIT_ASSERT_EQUAL(std::string("|0"), path_of({}));
    CPPUNIT_ASSERT_EQUAL(std::string("domain example.com|2"), path_of({"Domain", "Example.com"}));
    CPPUNIT_ASSERT_EQUAL(std::string("debug_flags|1"), path_of({"debug_flags", "debug", "smtp"}));
    ASSERT_HOLDS(
        "Listen may not stand in the global scope; it may stand in ESMTP_Listener, LMTP_Listener, HTTP_Listener, "
        "ECStream_Listener or Control_Listener",
        path_of({"listen", ":25"}));
    ASSERT_HOLDS("expected an address", path_of({"esmtp_listener", "listen"}));
    ASSERT_HOLDS("expected an address", path_of({"esmtp_listener", "listen", "enable", "false"}));
    // A scope's name, and an option's.
    CPPUNIT_ASSERT_EQUAL(std::string("pathway x|2"), path_of({"Pathway", "x"}));
    CPPUNIT_ASSERT_EQUAL(std::string("pathway_group g pathway x|4"), path_of({"pathway_group", "g", "pathway", "x"}));
    CPPUNIT_ASSERT_EQUAL(std::string("esmtp_listener|1"), path_of({"ESMTP_Listener", "Pathway", "x"}));
    CPPUNIT_ASSERT_EQUAL(std::string("binding_group g binding b domain d.example|6"),
                         path_of({"Binding_Group", "g", "Binding", "b", "Domain", "D.example", "Retry_Interval"}));
    CPPUNIT_ASSERT_EQUAL(std::string("authorization role root|3"), path_of({"authorization", "Role", "root", "allow"}));
    ASSERT_HOLDS("Role may not stand in the global scope; it may stand in Authorization", path_of({"Role", "x"}));
    ASSERT_HOLDS("refused: ECCluster_Listener is not available in this version",
                 path_of({"ECCluster_Listener", "listen"}));
  }
  void M21_a_bare_port_names_the_listen_that_is_there() {
    const auto named = [](const char* text) {
      const ScopePtr root = tree(text);
      return to_string(read_path(std::vector<std::string>{"esmtp_listener", "listen", ":25"}, root)->path);
    };
    const std::string any = "esmtp_listener listen *:25";
    CPPUNIT_ASSERT_EQUAL(any, named("ESMTP_Listener { Listen \":25\" { } Listen \"127.0.0.1:25\" { } }"));
    CPPUNIT_ASSERT_EQUAL(std::string("esmtp_listener listen 127.0.0.1:25"),
                         named("ESMTP_Listener { Listen \"127.0.0.1:25\" { } Listen \"127.0.0.1:26\" { } }"));
    CPPUNIT_ASSERT_EQUAL(any, named("ESMTP_Listener { Listen \"127.0.0.1:25\" { } Listen \"[::1]:25\" { } }"));
    CPPUNIT_ASSERT_EQUAL(any, named("Control_Listener { Listen \"127.0.0.1:25\" { } }"));
    // Spelled out it is what it says.
    const ScopePtr root = tree("ESMTP_Listener { Listen \"127.0.0.1:25\" { } }");
    CPPUNIT_ASSERT_EQUAL(
        any, to_string(read_path(std::vector<std::string>{"esmtp_listener", "listen", "*:25"}, root)->path));
  }
  void paths_find_scopes() {
    const ScopePtr root = tree("ESMTP_Listener { Listen \":25\" { Peer 10.0.0.0/8 { } } }\n");
    const auto found = read_path(std::vector<std::string>{"esmtp_listener", "listen", ":25", "peer", "10.9.9.9/8"});
    CPPUNIT_ASSERT(find_scope(root, found->path));
    CPPUNIT_ASSERT(find_scope(root, {}) == root);
    CPPUNIT_ASSERT(!find_scope(root, {{ScopeKind::control_listener, ""}, {ScopeKind::listen, "*:25"}}));
    CPPUNIT_ASSERT(!canonical_path({{ScopeKind::listen, "*:25"}}));
    CPPUNIT_ASSERT_EQUAL(
        std::string("10.0.0.0/8"),
        canonical_path({{ScopeKind::esmtp_listener, ""}, {ScopeKind::peer, "10.1.1.1/8"}})->back().instance);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TreeTest);

}  // namespace
