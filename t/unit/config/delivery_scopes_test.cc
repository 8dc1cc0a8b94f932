// Delivery: Bindings, their groups, Domains by name and by pattern; roles and
// Security, which also stand outside the listeners.
#include "config/delivery_scopes.h"
#include "snapshot_kit.h"

#include <algorithm>
#include <array>
#include <random>
#include <regex>
#include <set>
#include <thread>

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;
using namespace std::string_literals;

namespace {

int64_t seconds(const Duration& duration) { return std::chrono::duration_cast<std::chrono::seconds>(duration).count(); }

constexpr std::array<const char*, 3> names{"Max_Retries", "Max_Outbound_Connections", "Max_Recipients_Per_Batch"};
constexpr std::array<const char*, 5> domains{"a.example", "b.example", "mail.a.example", "x.test", "other.invalid"};
constexpr std::array<const char*, 5> patterns{"a\\.", "EXAMPLE$", "^mail", "(x|b)\\.", "."};

// Random scopes, and the ladder of DESIGN walked the slow way.
class Model {
 public:
  explicit Model(unsigned seed) : random_(seed) {
    root_ = container();
    for (const char* binding : {"b", "c", "default"})
      if (chance(50)) alone_[binding] = container();
    for (const char* group : {"g", "h"})
      if (chance(60)) groups_[group].own = container();
    for (const char* binding : {"b", "c"})
      if (!groups_.empty() && chance(60)) {
        auto group = groups_.begin();
        if (chance(50)) group = std::prev(groups_.end());
        group->second.bindings[binding] = container();
      }
  }

  std::string text() const {
    std::string text = body(root_);
    for (const auto& [name, binding] : alone_) text += "Binding " + name + " {\n" + body(binding) + "}\n";
    for (const auto& [name, group] : groups_) {
      text += "Binding_Group " + name + " {\n" + body(group.own);
      for (const auto& [title, binding] : group.bindings) text += "Binding " + title + " {\n" + body(binding) + "}\n";
      text += "}\n";
    }
    return text;
  }

  int value(size_t option, const std::string& binding, const std::string& domain) const {
    std::vector<const Container*> ways;  // G::B, B, G
    const Container* group = nullptr;
    for (const auto& [name, each] : groups_)
      if (const auto found = each.bindings.find(binding); found != each.bindings.end()) {
        ways.push_back(&found->second);
        group = &each.own;
      }
    if (const auto found = alone_.find(binding); found != alone_.end()) ways.push_back(&found->second);
    if (group) ways.push_back(group);
    for (const Container* way : ways)
      if (const int value = in_domains(*way, option, domain)) return value;
    for (const Container* way : ways)
      if (way->values[option]) return way->values[option];
    if (const int value = in_domains(root_, option, domain)) return value;
    return root_.values[option];
  }

 private:
  using Values = std::array<int, 3>;
  struct Container {
    Values values{};
    std::vector<std::pair<std::string, Values>> domains;  // in order of declaration; patterns in slashes
  };
  struct Group {
    Container own;
    std::map<std::string, Container> bindings;
  };

  bool chance(unsigned percent) { return random_() % 100 < percent; }
  Values values() {
    Values values{};
    for (int& value : values)
      if (chance(25)) value = 1 + static_cast<int>(random_() % 1000);
    return values;
  }
  Container container() {
    Container made{values(), {}};
    for (const char* domain : domains)
      if (chance(30)) made.domains.emplace_back(domain, values());
    for (const char* pattern : patterns)
      if (chance(30)) made.domains.emplace_back("/"s + pattern + "/", values());
    std::ranges::shuffle(made.domains, random_);
    return made;
  }
  static std::string body(const Values& values) {
    std::string text;
    for (size_t i = 0; i < names.size(); ++i)
      if (values[i]) text += std::string(names[i]) + " = " + std::to_string(values[i]) + "\n";
    return text;
  }
  static std::string body(const Container& container) {
    std::string text = body(container.values);
    for (const auto& [domain, values] : container.domains) text += "Domain " + domain + " {\n" + body(values) + "}\n";
    return text;
  }
  static int in_domains(const Container& container, size_t option, const std::string& domain) {
    for (const auto& [name, values] : container.domains)
      if (name == domain && values[option]) return values[option];
    for (const auto& [name, values] : container.domains) {
      if (!name.starts_with('/') || !values[option]) continue;
      const std::regex regex(name.substr(1, name.size() - 2), std::regex::icase);
      if (std::regex_search(domain, regex)) return values[option];
    }
    return 0;
  }

  std::mt19937 random_;
  Container root_;
  std::map<std::string, Container> alone_;
  std::map<std::string, Group> groups_;
};

class DeliveryScopesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(DeliveryScopesTest);
  CPPUNIT_TEST(the_documented_example_of_domains);
  CPPUNIT_TEST(the_documented_example_of_bindings);
  CPPUNIT_TEST(the_documented_example_of_groups);
  CPPUNIT_TEST(every_rung_hides_the_next);
  CPPUNIT_TEST(patterns_stand_behind_names_in_order);
  CPPUNIT_TEST(patterns_ignore_case_and_the_last_dot);
  CPPUNIT_TEST(bad_patterns_are_placed);
  CPPUNIT_TEST(the_default_binding);
  CPPUNIT_TEST(a_default_binding_that_is_nobodys);
  CPPUNIT_TEST(a_binding_in_two_groups);
  CPPUNIT_TEST(random_configurations_against_a_slow_model);
  CPPUNIT_TEST(the_ladder);
  CPPUNIT_TEST(blocks_do_not_grow_with_the_domains_asked_for);
  CPPUNIT_TEST(patterns_that_say_the_same_make_no_more_blocks);
  CPPUNIT_TEST(unchanged_ways_are_taken_over);
  CPPUNIT_TEST(each_delivery_scope_is_visited);
  CPPUNIT_TEST(a_maildir_needs_a_path_in_every_scope);
  CPPUNIT_TEST(many_threads_share_blocks);
  CPPUNIT_TEST(security_is_as_it_runs);
  CPPUNIT_TEST(roles);
  CPPUNIT_TEST(thread_pools_are_noticed);
  CPPUNIT_TEST_SUITE_END();

  // The three examples of Momentum's page "Configuration Scopes and Fallback",
  // with options of this version.
  void the_documented_example_of_domains() {
    const auto made = snapshot(R"(max_outbound_connections = 40
      domain "example.com" { max_outbound_connections = 20 }
      domain "someotherexample.com" { max_retries = 500 })");
    const auto value = [&](const char* domain) { return made->for_domain(domain)[key::max_outbound_connections]; };
    CPPUNIT_ASSERT_EQUAL(int64_t{20}, value("example.com"));
    CPPUNIT_ASSERT_EQUAL(int64_t{40}, value("someotherexample.com"));
    CPPUNIT_ASSERT_EQUAL(int64_t{40}, value("third.example"));
  }
  void the_documented_example_of_bindings() {
    const auto made = snapshot(R"(message_expiration = 86400
      binding "example" { message_expiration = 3600 }
      domain "example.com" { message_expiration = 120 }
      binding "example2" { message_expiration = 7200
        domain example.com { message_expiration = 86400 }
        domain "anotherexample.com" { max_retries = 500 } }
      binding "example3" {
        domain "example.com" { max_retries = 500 }
        domain "anotherexample.com" { message_expiration = 86400 } })");
    const auto value = [&](const char* binding, const char* domain) {
      const int64_t got = seconds(made->for_delivery(binding, domain)[key::message_expiration]);
      const std::vector<std::string> words{"binding", binding, "domain", domain};
      CPPUNIT_ASSERT_EQUAL(
          got, seconds(std::get<Duration>(made->eval(read_path(words)->path, definition(key::message_expiration)))));
      return got;
    };
    CPPUNIT_ASSERT_EQUAL(int64_t{3600}, value("example", "else.example"));
    CPPUNIT_ASSERT_EQUAL(int64_t{3600}, value("example", "example.com"));
    CPPUNIT_ASSERT_EQUAL(int64_t{86400}, value("example2", "example.com"));
    CPPUNIT_ASSERT_EQUAL(int64_t{7200}, value("example2", "anotherexample.com"));
    CPPUNIT_ASSERT_EQUAL(int64_t{7200}, value("example2", "else.example"));
    CPPUNIT_ASSERT_EQUAL(int64_t{86400}, value("example3", "anotherexample.com"));
    CPPUNIT_ASSERT_EQUAL(int64_t{120}, value("example3", "example.com"));
    CPPUNIT_ASSERT_EQUAL(int64_t{86400}, value("example3", "else.example"));
    CPPUNIT_ASSERT_EQUAL(int64_t{120}, value("none", "example.com"));
  }
  void the_documented_example_of_groups() {
    const auto with = [](const char* binding_says) {
      return snapshot(R"(max_outbound_connections = 30
        binding_group "group1" { max_outbound_connections = 5
          binding "example" { bind_address = 10.10.10.10
            )"s + binding_says +
                      R"(
            domain "example.com" { } } })");
    };
    const auto value = [](const SnapshotPtr& made) {
      const std::vector<std::string> words{"binding_group", "group1", "binding", "example", "domain", "example.com"};
      const OptionDef& option = definition(key::max_outbound_connections);
      const Options& options = made->for_delivery("example", "example.com");
      CPPUNIT_ASSERT(made->eval(read_path(words)->path, option) == options.raw(option));
      return options[key::max_outbound_connections];
    };
    CPPUNIT_ASSERT_EQUAL(int64_t{15}, value(with("max_outbound_connections = 15")));
    CPPUNIT_ASSERT_EQUAL(int64_t{5}, value(with("")));
    CPPUNIT_ASSERT_EQUAL("10.10.10.10"s, with("")->for_delivery("example", "example.com")[key::bind_address]);
  }
  void every_rung_hides_the_next() {
    // From the bottom up: global, global D, G, B, G::B, G::D, B::D, G::B::D.
    for (int rungs = 0; rungs <= 8; ++rungs) {
      const auto say = [&](int rung) { return rung <= rungs ? "Max_Retries = " + std::to_string(rung) + "\n" : ""s; };
      const auto made = snapshot(say(1) + "Domain d.example { " + say(2) + "}\nBinding_Group g { " + say(3) +
                                 "Domain d.example { " + say(6) + "}\nBinding b { " + say(5) + "Domain d.example { " +
                                 say(8) + "} } }\nBinding b { " + say(4) + "Domain d.example { " + say(7) + "} }\n");
      CPPUNIT_ASSERT_EQUAL(int64_t{rungs}, made->for_delivery("b", "d.example")[key::max_retries]);
      // What Domains say is not for others.
      const int64_t other = rungs == 2 ? 1 : std::min(rungs, 5);
      CPPUNIT_ASSERT_EQUAL(other, made->for_delivery("b", "other.example")[key::max_retries]);
    }
  }
  void patterns_stand_behind_names_in_order() {
    const auto made = snapshot(R"(
      Domain "/example/" { Max_Retries = 1  Max_Recipients_Per_Batch = 1 }
      Domain /google\.(com|es)$/ { Max_Retries = 2 }
      Domain /\.com$/ { Max_Retries = 3  Max_Recipients_Per_Batch = 3 }
      Domain example.com { Max_Outbound_Connections = 9  Max_Retries = 4 })");
    const auto retries = [&](const char* domain) { return made->for_domain(domain)[key::max_retries]; };
    CPPUNIT_ASSERT_EQUAL(int64_t{4}, retries("example.com"));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, made->for_domain("example.com")[key::max_recipients_per_batch]);
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, retries("other-example.com"));
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, retries("google.com"));
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, made->for_domain("google.com")[key::max_recipients_per_batch]);
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, retries("mail.google.es"));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, retries("google.de"));
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, retries("third.com"));
    // A pattern of a nearer container stands before a name further out.
    const auto nearer =
        snapshot("Domain a.example { Max_Retries = 1 }\nBinding b { Domain /^a/ { Max_Retries = 2 } }\n");
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, nearer->for_delivery("b", "a.example")[key::max_retries]);
  }
  void patterns_ignore_case_and_the_last_dot() {
    const auto made =
        snapshot("Domain \"/EXAMPLE[.]com$/\" { Max_Retries = 1 }\nDomain Exact.org { Max_Retries = 2 }\n");
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, made->for_domain("Mail.eXample.COM.")[key::max_retries]);
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, made->for_domain("EXACT.ORG.")[key::max_retries]);
    // No recipient's domain reaches a pattern by its name.
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, made->for_domain("/EXAMPLE[.]com$/")[key::max_retries]);
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, made->for_domain("")[key::max_retries]);
  }
  void bad_patterns_are_placed() {
    ASSERT_HOLDS("test.conf:2:8: error: the pattern /a(b/ is wrong at 4: missing closing parenthesis",
                 mistakes("Hostname = x\nDomain /a(b/ { }\n"));
    ASSERT_HOLDS("test.conf:1:20: error: the pattern /*/ is wrong at 1",
                 mistakes("Binding b { Domain \"/*/\" { } }\n"));
    ASSERT_HOLDS("config-bad-instance", mistakes("Domain \"/*/\" { }\n"));
  }
  void the_default_binding() {
    const std::string rest = "Binding default { Max_Retries = 1 }\nBinding b { Max_Retries = 2 }\n";
    const auto value = [](const std::string& text) {
      return snapshot(text)->for_domain("x.example")[key::max_retries];
    };
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, value(rest));
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, value("Default_Binding = b\n" + rest));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, value("Default_Binding = \"\"\n" + rest));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, value("Default_Binding = default\n"));
    const auto made = snapshot(rest + "Binding_Group g { Binding a { } }\n");
    CPPUNIT_ASSERT((std::vector<std::string>{"a", "b", "default"}) == made->bindings());
    // Live.
    CPPUNIT_ASSERT_EQUAL(
        int64_t{2}, next(snapshot(rest), "Default_Binding = b\n" + rest)->for_domain("x.example")[key::max_retries]);
  }
  void a_default_binding_that_is_nobodys() {
    const std::string text = mistakes("Hostname = x\n  Default_Binding = outt\nBinding out { }\n");
    ASSERT_HOLDS("test.conf:2:3: error: Default_Binding: there is no Binding \"outt\"", text);
    ASSERT_HOLDS("did you mean 'out'?", text);
    const auto before = snapshot("Default_Binding = b\nBinding b { }\n");
    Diagnostics diagnostics;
    CPPUNIT_ASSERT(!compile(tree("Default_Binding = b\n"), 2, diagnostics, before));
    ASSERT_HOLDS("there is no Binding \"b\"", all(diagnostics));
  }
  void a_binding_in_two_groups() {
    ASSERT_HOLDS("test.conf:2:19: error: Binding \"b\" stands in Binding_Group \"g\" and in Binding_Group \"h\"",
                 mistakes("Binding_Group g { Binding b { } }\nBinding_Group h { Binding b { } }\n"));
  }
  void random_configurations_against_a_slow_model() {
    for (unsigned seed = 1; seed <= 200; ++seed) {
      const Model model(seed);
      const std::string text = model.text();
      const SnapshotPtr made = snapshot(text);
      for (const char* binding : {"b", "c", "default", "none"}) {
        for (const char* domain : domains) {
          const Options& options = made->for_delivery(binding, domain);
          for (size_t i = 0; i < names.size(); ++i) {
            const OptionDef& option = *find_option(names[i]);
            const int wanted = model.value(i, binding, domain);
            const Value want = wanted ? Value(int64_t{wanted}) : default_value(option, ScopeKind::global);
            const std::string where = fmt::format("seed {} {} {} {}\n{}", seed, binding, domain, names[i], text);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(where, to_text(want, option), to_text(options.raw(option), option));
            const std::vector<std::string> words{"binding", binding, "domain", domain};
            CPPUNIT_ASSERT_MESSAGE(where, made->eval(read_path(words)->path, option) == want);
          }
        }
        CPPUNIT_ASSERT(&made->for_delivery("default", "a.example") == &made->for_domain("a.example"));
      }
    }
  }
  void the_ladder() {
    const auto made = snapshot(
        "Max_Retries = 1\nDomain d.example { Max_Retries = 2 }\n"
        "Binding_Group g { Domain /example/ { Max_Retries = 3 }\n Binding b { Max_Retries = 4\n"
        "  Domain d.example { } } }\n");
    const OptionDef& option = definition(key::max_retries);
    const std::string whole =
        "Binding_Group g Binding b Domain d.example, Binding_Group g Domain /example/=3*, "
        "Binding_Group g Binding b=4, Binding_Group g, Domain d.example=2, global=1, default=0";
    CPPUNIT_ASSERT_EQUAL(whole, ladder(made, {"binding", "b", "domain", "d.example"}, option));
    CPPUNIT_ASSERT_EQUAL(whole, ladder(made, {"binding_group", "g", "binding", "b", "domain", "d.example"}, option));
    CPPUNIT_ASSERT_EQUAL(
        "test.conf:3:38"s,
        made->explain(read_path(std::vector<std::string>{"binding", "b", "domain", "d.example"})->path, option)[1]
            .origin.to_string());
    CPPUNIT_ASSERT_EQUAL("Binding_Group g Binding b=4*, Binding_Group g, global=1, default=0"s,
                         ladder(made, {"binding", "b"}, option));
    CPPUNIT_ASSERT_EQUAL("Binding_Group g, global=1*, default=0"s, ladder(made, {"binding_group", "g"}, option));
    CPPUNIT_ASSERT_EQUAL("Domain d.example=2*, global=1, default=0"s, ladder(made, {"domain", "D.example"}, option));
    CPPUNIT_ASSERT_EQUAL("Domain x.org, global=1*, default=0"s, ladder(made, {"domain", "x.org"}, option));
    // What is not there is shown where it would be.
    CPPUNIT_ASSERT_EQUAL("Binding none Domain d.example, Binding none, Domain d.example=2*, global=1, default=0"s,
                         ladder(made, {"binding", "none", "domain", "d.example"}, option));
    CPPUNIT_ASSERT_EQUAL("Binding_Group g Domain /example/=3*, Binding_Group g, global=1, default=0"s,
                         ladder(made, {"binding_group", "g", "domain", "/example/"}, option));
    // A Domain has no say in what may not stand in it.
    CPPUNIT_ASSERT_EQUAL("Binding_Group g Binding b, Binding_Group g, global, default"s,
                         ladder(made, {"binding", "b", "domain", "d.example"}, definition(key::bind_address)));
  }
  void blocks_do_not_grow_with_the_domains_asked_for() {
    const auto made = snapshot("Domain /a/ { Max_Retries = 1 }\nDomain /b/ { Max_Outbound_Connections = 2 }\n");
    std::set<const Options*> blocks;
    for (int i = 0; i < 1000; ++i) blocks.insert(&made->for_domain(fmt::format("{:x}.example", i)));
    // All of them hold the a of example.
    CPPUNIT_ASSERT_EQUAL(size_t{2}, blocks.size());
    CPPUNIT_ASSERT(&made->for_domain("1.test") == &made->global());
  }
  void patterns_that_say_the_same_make_no_more_blocks() {
    std::string text;
    for (char c = 'a'; c <= 'j'; ++c) text += fmt::format("Domain /{}/ {{ Max_Retries = {} }}\n", c, c - 'a' + 1);
    const auto made = snapshot(text);
    std::set<const Options*> blocks;
    for (unsigned set = 0; set < 1024; ++set) {
      std::string domain = "z";
      for (unsigned i = 0; i < 10; ++i)
        if (set >> i & 1) domain += static_cast<char>('a' + i);
      blocks.insert(&made->for_domain(domain));
    }
    CPPUNIT_ASSERT_EQUAL(size_t{11}, blocks.size());
  }
  void unchanged_ways_are_taken_over() {
    const auto before = snapshot("Binding b { Domain /x/ { Max_Retries = 1 } }\n");
    Diagnostics diagnostics;
    const auto after = compile(before->root(), 2, diagnostics, before);
    CPPUNIT_ASSERT(&before->for_delivery("b", "x.y") == &after->for_delivery("b", "x.y"));
    const auto changed = next(before, "Binding b { Domain /x/ { Max_Retries = 2 } }\n");
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, changed->for_delivery("b", "x.y")[key::max_retries]);
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, before->for_delivery("b", "x.y")[key::max_retries]);
    const auto global = next(changed, "Max_Outbound_Connections = 7\nBinding b { Domain /x/ { Max_Retries = 2 } }\n");
    CPPUNIT_ASSERT_EQUAL(int64_t{7}, global->for_delivery("b", "x.y")[key::max_outbound_connections]);
  }
  void each_delivery_scope_is_visited() {
    const auto made = snapshot(
        "Max_Retries = 1\nDomain d.example { }\nDomain /^x/ { Max_Retries = 5 }\n"
        "Binding_Group g { Max_Retries = 2\nBinding b { Domain d.example { Max_Retries = 3 } } }\nBinding c { }\n");
    std::string seen;
    made->each_delivery_scope([&](const Scope& scope, const Options& options) {
      seen += fmt::format("{}={} ", scope.title(), options[key::max_retries]);
    });
    CPPUNIT_ASSERT_EQUAL(
        "Binding_Group \"g\"=2 Binding \"b\"=2 Domain \"d.example\"=3 Binding \"c\"=1 Domain \"/^x/\"=5 "
        "Domain \"d.example\"=1 "s,
        seen);
  }
  void a_maildir_needs_a_path_in_every_scope() {
    for (const char* scope : {"Binding b", "Binding_Group g", "Domain /x/"}) {
      const std::string text = scope + " {\n Delivery_Method = maildir\n"s;
      ASSERT_HOLDS("test.conf:2:2: error: Delivery_Method = maildir needs a Maildir_Path", mistakes(text + "}\n"));
      CPPUNIT_ASSERT_EQUAL(""s, mistakes(text + "Maildir_Path = /m/%{localpart}\n}\n"));
    }
    CPPUNIT_ASSERT_EQUAL(
        ""s, mistakes("Binding b { Maildir_Path = /m/%{localpart}\nDomain x.y { Delivery_Method = maildir } }\n"));
  }
  void many_threads_share_blocks() {
    const auto made =
        snapshot("Binding b { Domain /[0-4]/ { Max_Retries = 1 }\nDomain 9.example { Max_Retries = 2 } }\n");
    std::vector<std::array<const Options*, 10>> seen(4);
    std::vector<std::jthread> threads;
    for (auto& mine : seen)
      threads.emplace_back([&] {
        for (int round = 0; round < 100; ++round)
          for (int i = 0; i < 10; ++i) mine[i] = &made->for_delivery("b", fmt::format("{}.example", i));
      });
    threads.clear();
    for (const auto& mine : seen) CPPUNIT_ASSERT(mine == seen.front());
  }
  void security_is_as_it_runs() {
    const std::string text = "Security { User = mail\nGroup = mail\nCapabilities = \"cap_net_bind_service+ep\" }\n";
    const auto before = snapshot(text);
    CPPUNIT_ASSERT_EQUAL("mail"s, before->security()[key::user]);
    CPPUNIT_ASSERT(!before->pending(definition(key::user)));
    CPPUNIT_ASSERT(!snapshot("")->security().is_set(key::user));
    const auto after = next(before, "Security { User = other\nGroup = mail }\n");
    CPPUNIT_ASSERT_EQUAL("mail"s, after->security()[key::user]);
    CPPUNIT_ASSERT(after->pending(definition(key::user)) == Value("other"s));
    CPPUNIT_ASSERT(after->pending(definition(key::capabilities)) == Value(""s));
    CPPUNIT_ASSERT(!after->pending(definition(key::group)));
    const ScopePath path{{ScopeKind::security, ""}};
    CPPUNIT_ASSERT(after->eval(path, definition(key::user)) == Value("mail"s));
    CPPUNIT_ASSERT_EQUAL("running until restart=mail*, Security=other, default"s,
                         ladder(after, {"security"}, definition(key::user)));
    CPPUNIT_ASSERT_EQUAL("test.conf:1:12"s, after->explain(path, definition(key::user)).front().origin.to_string());
    ASSERT_HOLDS("Chroot is not available in this version", mistakes("Security { Chroot = /x }\n"));
    ASSERT_HOLDS("User may not stand in the global scope", mistakes("User = x\n"));
    ASSERT_HOLDS("test.conf:2:3: error: Server_Max_Outbound_Connections may not stand in Domain",
                 mistakes("Domain d {\n  Server_Max_Outbound_Connections = 5\n}\n"));
  }
  void roles() {
    const std::string text =
        "Authorization {\n Role \"root\" { allow = ( \".*\" ) }\n"
        " Role admin { allow = ( \"^config\" \"^summary$\" ) }\n Role nobody { } }\n";
    const auto made = snapshot(text);
    const auto& roles = made->roles();
    CPPUNIT_ASSERT_EQUAL(size_t{3}, roles.size());
    CPPUNIT_ASSERT_EQUAL("root"s, roles[0].name);
    CPPUNIT_ASSERT_EQUAL("admin"s, roles[1].name);
    CPPUNIT_ASSERT_EQUAL("test.conf:3:2"s, roles[1].origin.to_string());
    CPPUNIT_ASSERT(roles[1].allow.size() == 2 && roles[2].allow.empty());
    CPPUNIT_ASSERT(roles[1].allow[1].matches("summary") && !roles[1].allow[1].matches("summary reset"));
    CPPUNIT_ASSERT(snapshot("")->roles().empty());
    // Commits change them, and leave those of a snapshot that is held.
    const auto changed = next(made, "Authorization { Role root { allow = ( \"^x\" ) } }\n");
    CPPUNIT_ASSERT(changed->roles().size() == 1 && changed->roles()[0].allow[0].text() == "^x");
    CPPUNIT_ASSERT_EQUAL(size_t{3}, made->roles().size());
    ASSERT_HOLDS("test.conf:2:10: error: Allow: the pattern 'a(b' is wrong at 4: missing closing parenthesis",
                 mistakes("Authorization { Role r {\n allow = ( \"x\" \"a(b\" ) } }\n"));
    CPPUNIT_ASSERT_EQUAL("Role root=( .* )*, default=( )"s,
                         ladder(made, {"authorization", "role", "root"}, definition(key::allow)));
  }
  void thread_pools_are_noticed() {
    const Built built = build_text("ThreadPool \"Pool\" { Concurrency = 10\n Stack_Size = 64K\n Backlog = 5 }\n");
    CPPUNIT_ASSERT(!has_errors(built.diagnostics));
    ASSERT_HOLDS("test.conf:1:1: notice: ThreadPool has no effect here", all(built.diagnostics));
    ASSERT_HOLDS("notice: Stack_Size has no effect here", all(built.diagnostics));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(DeliveryScopesTest);

}  // namespace
