// Pathways: what extends listeners, Listens and Peers, at each rank.
#include "snapshot_kit.h"

#include <algorithm>
#include <array>
#include <random>

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;
using namespace std::string_literals;

namespace {

std::string mistakes_after(const SnapshotPtr& now, const std::string& text) {
  Diagnostics diagnostics;
  compile(tree(text), now->generation() + 1, diagnostics, now);
  return all(diagnostics);
}

// A scope as the slow model has it.
struct Said {
  bool names_pathway = false;
  std::string pathway;
  std::array<int, 3> values{};  // 0: not set
};
constexpr std::array<const char*, 3> names{"Max_Errors", "Max_Recipients_Per_Message", "Max_Command_Length"};

class Model {
 public:
  explicit Model(unsigned seed) : random_(seed) {
    for (const char* name : {"a", "b", "default"}) {
      if (chance(50)) alone_[name] = said(false);
      if (chance(50)) groups_[chance(50) ? "g" : "h"].second[name] = said(false);
    }
    for (auto& [name, group] : groups_) group.first = said(false);
    listener_ = said(true);
    fill(outer_);
    listen_ = said(true);
    fill(inner_);
  }

  std::string text() const {
    std::string text;
    for (const auto& [name, pathway] : alone_) text += "Pathway " + name + " {" + body(pathway) + "}\n";
    for (const auto& [name, group] : groups_) {
      text += "Pathway_Group " + name + " {" + body(group.first);
      for (const auto& [member, pathway] : group.second) text += "  Pathway " + member + " {" + body(pathway) + "}\n";
      text += "}\n";
    }
    text += "ESMTP_Listener {" + body(listener_) + peers(outer_) + "Listen *:25 {" + body(listen_) + peers(inner_);
    return text + "} }\n";
  }

  // The first that says it, walking the ladder as DESIGN has it; 0: nobody.
  int value(size_t option, const IpAddress& address) const {
    std::vector<const Said*> order;
    walk(inner_, address, order);
    extend(listen_, false, order);
    walk(outer_, address, order);
    extend(listener_, true, order);
    for (const Said* said : order)
      if (said->values[option]) return said->values[option];
    return 0;
  }

  const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  using Peers = std::map<std::string, Said>;

  bool chance(unsigned percent) { return random_() % 100 < percent; }
  Said said(bool may_name) {
    Said said;
    const std::array<const char*, 4> known{"a", "b", "default", ""};
    const std::string name = known[random_() % known.size()];
    if (may_name && chance(50) && (name.empty() || name == "default" || is_there(name))) {
      said.names_pathway = true;
      said.pathway = name;
    }
    for (int& value : said.values)
      if (chance(25)) value = 1000 + static_cast<int>(random_() % 1000);
    return said;
  }
  bool is_there(const std::string& name) const {
    if (alone_.contains(name)) return true;
    for (const auto& [group, members] : groups_)
      if (members.second.contains(name)) return true;
    return false;
  }
  void fill(Peers& peers) {
    for (const char* network : {"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "192.0.2.0/24"})
      if (chance(40)) peers[network] = said(true);
  }
  static std::string body(const Said& said) {
    std::string text;
    if (said.names_pathway) text += " Pathway = \"" + said.pathway + "\"\n";
    for (size_t i = 0; i < names.size(); ++i)
      if (said.values[i]) text += " " + std::string(names[i]) + " = " + std::to_string(said.values[i]) + "\n";
    return text;
  }
  static std::string peers(const Peers& peers) {
    std::string text;
    for (const auto& [network, said] : peers) text += "Peer " + network + " {" + body(said) + "}\n";
    return text;
  }
  void extend(const Said& said, bool listener, std::vector<const Said*>& order) const {
    order.push_back(&said);
    const std::string name = said.names_pathway ? said.pathway : listener ? "default" : "";
    if (name.empty()) return;
    const Said* group = nullptr;
    for (const auto& [title, members] : groups_) {
      if (const auto found = members.second.find(name); found != members.second.end()) {
        order.push_back(&found->second);
        group = &members.first;
      }
    }
    if (const auto found = alone_.find(name); found != alone_.end()) order.push_back(&found->second);
    if (group) order.push_back(group);
  }
  void walk(const Peers& peers, const IpAddress& address, std::vector<const Said*>& order) const {
    std::vector<std::pair<unsigned, const Said*>> holding;
    for (const auto& [network, said] : peers) {
      const auto prefix = IpPrefix::parse(network).value();
      if (prefix.contains(address)) holding.emplace_back(prefix.length(), &said);
    }
    std::ranges::sort(holding, std::greater{}, &std::pair<unsigned, const Said*>::first);
    for (const auto& [length, said] : holding) extend(*said, false, order);
  }

  std::mt19937 random_;
  std::map<std::string, Said> alone_;
  std::map<std::string, std::pair<Said, std::map<std::string, Said>>> groups_;
  Said listener_, listen_;
  Peers outer_, inner_;
  std::vector<std::string> addresses_{"10.1.2.3", "10.1.2.4", "10.1.9.9", "10.9.9.9", "192.0.2.7", "198.51.100.1"};
};

class PathwaysTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PathwaysTest);
  CPPUNIT_TEST(the_documented_example);
  CPPUNIT_TEST(a_pathway_has_the_rank_of_who_names_it);
  CPPUNIT_TEST(the_default_pathway);
  CPPUNIT_TEST(a_pathway_in_a_group_and_alone);
  CPPUNIT_TEST(random_configurations_against_a_slow_model);
  CPPUNIT_TEST(the_ladder_shows_pathways_with_their_places);
  CPPUNIT_TEST(the_ladder_of_a_pathway);
  CPPUNIT_TEST(a_name_that_is_nobodys);
  CPPUNIT_TEST(a_name_in_two_groups);
  CPPUNIT_TEST(what_is_another_listeners_is_refused_in_a_listen);
  CPPUNIT_TEST(what_is_not_built_for_a_listener_is_refused_in_it);
  CPPUNIT_TEST(a_certificate_may_come_from_a_pathway);
  CPPUNIT_TEST(changed_pathways_reach_their_clients);
  CPPUNIT_TEST(untouched_pathways_keep_the_listens);
  CPPUNIT_TEST_SUITE_END();

  void the_documented_example() {
    // Momentum's page of the scope; in its group, listener options have a say too.
    const auto made = snapshot(R"(
      Pathway "example1" { allow_null_envelope_sender = false }
      Pathway_Group "group1" { idle_time = 300  command_timeout = 77
        Pathway "example2" { idle_time = 400 } }
      ESMTP_Listener { Listen ":25" { Pathway = example1 } Listen ":26" { Pathway = example2 } })");
    CPPUNIT_ASSERT(!client(made, "*:25", "10.0.0.1")[key::allow_null_envelope_sender]);
    CPPUNIT_ASSERT(client(made, "*:26", "10.0.0.1")[key::allow_null_envelope_sender]);
    CPPUNIT_ASSERT(client(made, "*:26", "10.0.0.1")[key::idle_time] == std::chrono::seconds(400));
    CPPUNIT_ASSERT(client(made, "*:26", "10.0.0.1")[key::command_timeout] == std::chrono::seconds(77));
    CPPUNIT_ASSERT(client(made, "*:25", "10.0.0.1")[key::command_timeout] == std::chrono::seconds(300));
  }
  void a_pathway_has_the_rank_of_who_names_it() {
    // Rung by rung from below: each hides all that came before.
    std::string said = "Pathway_Group g { Max_Errors = 2\n Pathway t { } }\n";
    const auto value = [](const std::string& pathways, const std::string& listener) {
      return client(snapshot(pathways + "ESMTP_Listener { " + listener + " }"), "*:25", "10.0.0.1")[key::max_errors];
    };
    const std::string all = R"(
      Pathway = t
      Peer 10.0.0.0/8 { Pathway = o }
      Listen *:25 { Pathway = l
        Peer 10.0.0.0/8 { Pathway = i } })";
    const auto with = [&](int t, int o, int l, int i) {
      const auto pathway = [](const char* name, int errors) {
        return "Pathway "s + name + " { " + (errors ? "Max_Errors = " + std::to_string(errors) : "") + " }\n";
      };
      return said + pathway("t", t) + pathway("o", o) + pathway("l", l) + pathway("i", i);
    };
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, value(with(0, 0, 0, 0), all));
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, value(with(3, 0, 0, 0), all));
    CPPUNIT_ASSERT_EQUAL(int64_t{4}, value(with(3, 4, 0, 0), all));
    CPPUNIT_ASSERT_EQUAL(int64_t{5}, value(with(3, 4, 5, 0), all));
    CPPUNIT_ASSERT_EQUAL(int64_t{6}, value(with(3, 4, 5, 6), all));
    // The scope itself stands before its pathway, a further rank behind it.
    CPPUNIT_ASSERT_EQUAL(int64_t{9}, value(with(3, 4, 5, 6), R"(Max_Errors = 7
      Listen *:25 { Max_Errors = 8
        Peer 10.0.0.0/8 { Pathway = i
          Max_Errors = 9 } })"));
    CPPUNIT_ASSERT_EQUAL(int64_t{6}, value(with(3, 4, 5, 6), R"(Max_Errors = 7
      Listen *:25 { Max_Errors = 8
        Peer 10.0.0.0/8 { Pathway = i } })"));
    // A longer prefix without a say hides nothing.
    CPPUNIT_ASSERT_EQUAL(int64_t{4}, value(with(3, 4, 0, 0), R"(Listen *:25 {
        Peer 10.0.0.0/8 { Pathway = o }
        Peer 10.0.0.0/24 { Pathway = i } })"));
  }
  void the_default_pathway() {
    const std::string pathways = "Pathway default { Max_Errors = 3\n Peer_Sessions_ = 1 }\n";
    ASSERT_HOLDS("unknown option 'Peer_Sessions_'", mistakes(pathways));
    const auto value = [](const std::string& listener) {
      return client(snapshot("Pathway default { Max_Errors = 3 }\n ESMTP_Listener { " + listener + " }"), "*:25",
                    "10.0.0.1")[key::max_errors];
    };
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, value("Listen *:25 { }"));
    CPPUNIT_ASSERT_EQUAL(int64_t{4}, value("Max_Errors = 4\n Listen *:25 { }"));
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, value("Max_Errors = 4\n Listen *:25 { Pathway = default }"));
    CPPUNIT_ASSERT_EQUAL(int64_t{20}, value("Pathway = \"\"\n Listen *:25 { }"));
    // Nobody needs one; the console's listener has none by itself.
    CPPUNIT_ASSERT_EQUAL(std::string(), mistakes("ESMTP_Listener { Pathway = default\n Listen *:25 { } }"));
    const auto console = snapshot(
        "Pathway default { Timeout = 5 }\n Pathway p { Timeout = 6 }\n"
        "Control_Listener { Listen *:2025 { } Listen *:2026 { Pathway = p } }");
    const auto timeout = [&](const char* listen) {
      return console->find_listen(ScopeKind::control_listener, at(listen))->options()[key::timeout];
    };
    CPPUNIT_ASSERT(timeout("*:2025") == std::chrono::seconds(60));
    CPPUNIT_ASSERT(timeout("*:2026") == std::chrono::seconds(6));
  }
  void a_pathway_in_a_group_and_alone() {
    const auto made = snapshot(R"(
      Pathway p { Max_Errors = 1  Max_Recipients_Per_Message = 1 }
      Pathway_Group g { Max_Errors = 3  Max_Recipients_Per_Message = 3  Max_Recipients_Per_Connection = 3
        Pathway p { Max_Errors = 2 } }
      ESMTP_Listener { Listen *:25 { Pathway = p } })");
    const Options& options = client(made, "*:25", "10.0.0.1");
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, options[key::max_errors]);
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, options[key::max_recipients_per_message]);
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, options[key::max_recipients_per_connection]);
  }
  void random_configurations_against_a_slow_model() {
    for (unsigned seed = 1; seed <= 150; ++seed) {
      const Model model(seed);
      const std::string text = model.text();
      if (holds(mistakes(text), "config-ambiguous-name")) continue;
      const SnapshotPtr made = snapshot(text);
      for (const std::string& address : model.addresses()) {
        const Options& options = client(made, "*:25", address.c_str());
        for (size_t i = 0; i < names.size(); ++i) {
          const OptionDef& option = *find_option(names[i]);
          const int wanted = model.value(i, ip(address.c_str()));
          const std::string want =
              wanted ? std::to_string(wanted) : to_text(default_value(option, ScopeKind::global), option);
          const std::string where = "seed " + std::to_string(seed) + " " + address + " " + names[i] + "\n" + text;
          CPPUNIT_ASSERT_EQUAL_MESSAGE(where, normal(want, option), to_text(options.raw(option), option));
          const std::vector<std::string> words{"esmtp_listener", "listen", "*:25", "peer", address};
          const Value evaluated = made->eval(read_path(words)->path, option);
          CPPUNIT_ASSERT_MESSAGE(where, evaluated == options.raw(option));
        }
      }
    }
  }
  static std::string normal(const std::string& text, const OptionDef& option) {
    return to_text(convert(word(text), option).value(), option);
  }
  void the_ladder_shows_pathways_with_their_places() {
    const auto made = snapshot(
        "Pathway_Group g { Max_Errors = 2\n"
        "  Pathway p { Max_Errors = 3 } }\n"
        "Pathway default { Max_Errors = 4 }\n"
        "ESMTP_Listener { Listen *:25 { Peer 10.0.0.0/8 { Pathway = p } } }\n");
    const std::vector<std::string> words{"esmtp_listener", "listen", "*:25", "peer", "10.0.0.1"};
    CPPUNIT_ASSERT_EQUAL(
        "ESMTP_Listener Listen *:25 Peer 10.0.0.1, ESMTP_Listener Listen *:25 Peer 10.0.0.0/8, "
        "Pathway_Group \"g\" Pathway \"p\"=3*, Pathway_Group \"g\"=2, ESMTP_Listener Listen *:25, ESMTP_Listener, "
        "Pathway \"default\"=4, default=20"s,
        ladder(made, words, definition(key::max_errors)));
    const auto rungs = made->explain(read_path(words)->path, definition(key::max_errors));
    CPPUNIT_ASSERT_EQUAL("test.conf:2:15"s, rungs[2].origin.to_string());
    CPPUNIT_ASSERT_EQUAL("test.conf:3:19"s, rungs[6].origin.to_string());
    // What may not stand in a Pathway shows none.
    CPPUNIT_ASSERT(!holds(ladder(made, words, definition(key::listen_backlog)), "Pathway"));
    // Lines moved, values did not: the places are the new ones.
    const auto moved = next(made,
                            "# a line\nPathway_Group g { Max_Errors = 2\n"
                            "  Pathway p { Max_Errors = 3 } }\n"
                            "Pathway default { Max_Errors = 4 }\n"
                            "ESMTP_Listener { Listen *:25 { Peer 10.0.0.0/8 { Pathway = p } } }\n");
    CPPUNIT_ASSERT_EQUAL("test.conf:3:15"s,
                         moved->explain(read_path(words)->path, definition(key::max_errors))[2].origin.to_string());
  }
  void the_ladder_of_a_pathway() {
    const auto made = snapshot(
        "Max_Recipients_Per_Message = 1\nPathway_Group g { Max_Recipients_Per_Message = 2\n Pathway p { } }\n"
        "Pathway p { Max_Recipients_Per_Message = 3 }\n");
    const OptionDef& option = definition(key::max_recipients_per_message);
    const std::string both =
        "Pathway_Group \"g\" Pathway \"p\", Pathway \"p\"=3*, Pathway_Group \"g\"=2, global=1, default=0";
    CPPUNIT_ASSERT_EQUAL(both, ladder(made, {"pathway", "p"}, option));
    CPPUNIT_ASSERT_EQUAL(both, ladder(made, {"pathway_group", "g", "pathway", "p"}, option));
    CPPUNIT_ASSERT_EQUAL("Pathway_Group \"g\"=2*, global=1, default=0"s, ladder(made, {"pathway_group", "g"}, option));
    CPPUNIT_ASSERT_EQUAL("global=1*, default=0"s, ladder(made, {"pathway", "none"}, option));
  }
  void a_name_that_is_nobodys() {
    const std::string text = mistakes("Pathway inbound { }\nESMTP_Listener { Listen *:25 {\n  Pathway = inbount } }\n");
    ASSERT_HOLDS("test.conf:3:3: error: Pathway: there is no Pathway \"inbount\"", text);
    ASSERT_HOLDS("did you mean 'inbound'?", text);
    ASSERT_HOLDS("config-dangling-reference", text);
    ASSERT_HOLDS("test.conf:1:48: error: Pathway: there is no Pathway \"x\"",
                 mistakes("ESMTP_Listener { Listen *:25 { Peer 10.0.0.1 { Pathway = x } } }\n"));
    // Also when it goes under a configuration that runs.
    const std::string listener = "ESMTP_Listener { Listen *:25 { Pathway = p } }\n";
    ASSERT_HOLDS("there is no Pathway \"p\"", mistakes_after(snapshot("Pathway p { }\n" + listener), "\n" + listener));
  }
  void a_name_in_two_groups() {
    const std::string text = mistakes("Pathway_Group a { Pathway p { } }\nPathway_Group b { Pathway p { } }\n");
    ASSERT_HOLDS("test.conf:2:19: error: Pathway \"p\" stands in Pathway_Group \"a\" and in Pathway_Group \"b\"", text);
    ASSERT_HOLDS("test.conf:1:19", text);
    ASSERT_HOLDS("config-ambiguous-name", text);
  }
  void what_is_another_listeners_is_refused_in_a_listen() {
    ASSERT_HOLDS("test.conf:2:3: error: Greeting_Timeout is no option of HTTP_Listener",
                 mistakes("HTTP_Listener { Listen *:80 {\n  Greeting_Timeout = 1 } }"));
    ASSERT_HOLDS("Listen of ESMTP_Listener or LMTP_Listener may say it",
                 mistakes("HTTP_Listener { Listen *:80 { Greeting_Timeout = 1 } }"));
    ASSERT_HOLDS("Peer of ESMTP_Listener or LMTP_Listener may say it",
                 mistakes("Control_Listener { Peer 10.0.0.1 { Max_Errors = 3 } }"));
    for (const auto& [listener, option] :
         {std::pair("ESMTP_Listener", "HTTP_Modules = ( inject )"), std::pair("LMTP_Listener", "Max_Request_Size = 1M"),
          std::pair("Control_Listener", "SMTP_Protocols = ( EHLO )"),
          std::pair("Control_Listener", "Relay_Hosts = ( 10.0.0.0/8 )"),
          std::pair("HTTP_Listener", "XCLIENT_Hosts = ( 10.0.0.1 )"), std::pair("HTTP_Listener", "Timeout = 3"),
          std::pair("HTTP_Listener", "ECStream_Window = 3"),
          std::pair("ECStream_Listener", "HTTP_Versions = ( 1.1 )")}) {
      const std::string text =
          mistakes(std::string(listener) + " { Listen *:2025 { Peer 10.0.0.1 { " + std::string(option) + " } } }");
      CPPUNIT_ASSERT_MESSAGE(std::string(listener) + " " + option,
                             holds(text, " is no option of " + std::string(listener)));
    }
    // What a listener obeys, it may say itself.
    for (const char* listener : {"ESMTP_Listener", "LMTP_Listener", "HTTP_Listener", "ECStream_Listener"}) {
      const std::string options =
          " Relay_Hosts = ( 10.0.0.0/8 ) Relay_Domains = ( a.example ) Relay_For_Sending_Domains = ( b.example ) "
          "Open_Relay = false Inbound_Throttle_Messages = \"9/60\" Allow_IP_Literal = false "
          "Allow_Null_Envelope_Sender = false ";
      CPPUNIT_ASSERT_EQUAL(std::string(), mistakes(std::string(listener) + " {" + options + "Listen *:2025 {" +
                                                   options + "Peer 10.0.0.1 {" + options + "} } }"));
    }
    // A Pathway is for several listeners: each takes what is its own.
    CPPUNIT_ASSERT_EQUAL(std::string(), mistakes("Pathway p { Greeting_Timeout = 1 Max_Request_Size = 1M }\n"
                                                 "HTTP_Listener { Listen *:80 { Pathway = p } }\n"
                                                 "ESMTP_Listener { Listen *:25 { Pathway = p } }"));
  }
  void what_is_not_built_for_a_listener_is_refused_in_it() {
    const std::string refusal = "Proxy_Identity_As_User is not available in Control_Listener in this version";
    const std::string user = "Proxy_Identity_As_User = true";
    ASSERT_HOLDS("test.conf:1:20: error: " + refusal, mistakes("Control_Listener { " + user + " }"));
    ASSERT_HOLDS("test.conf:1:34: error: " + refusal, mistakes("Control_Listener { Listen *:25 { " + user + " } }"));
    ASSERT_HOLDS(refusal, mistakes("Control_Listener { Peer 10.0.0.1 { " + user + " } }"));
    ASSERT_HOLDS(refusal, mistakes("Control_Listener { Listen *:25 { Peer 10.0.0.1 { " + user + " } } }"));
    for (const std::string& good :
         {"ESMTP_Listener { " + user + " }", "ESMTP_Listener { Listen *:2025 { " + user + " } }",
          "Pathway p { " + user + " }", "Pathway p { " + user + " }\nESMTP_Listener { Listen *:2025 { Pathway = p } }",
          "Pathway default { " + user + " }\nESMTP_Listener { Listen *:2025 { } }"})
      CPPUNIT_ASSERT_EQUAL(std::string(), mistakes(good));
    // By way of a Pathway, its group, or the default one; said once.
    const std::string peers = "Peer 10.0.0.1 { Pathway = p }\nPeer 10.0.0.2 { Pathway = p }";
    const std::string by_name = mistakes("Pathway p { " + user + " }\nControl_Listener { " + peers + " }");
    ASSERT_HOLDS("test.conf:1:13: error: " + refusal, by_name);
    ASSERT_HOLDS("Peer \"10.0.0.1\" is extended by this Pathway: test.conf:2:36", by_name);
    CPPUNIT_ASSERT_EQUAL(by_name.find(refusal), by_name.rfind(refusal));
    ASSERT_HOLDS(refusal, mistakes("Pathway_Group g { " + user +
                                   "\nPathway p { } }\nControl_Listener { Peer 10.0.0.1 { Pathway = p } }"));
    ASSERT_HOLDS("Enable_Authorization is not available in ESMTP_Listener in this version",
                 mistakes("Pathway default { Enable_Authorization = true }\nESMTP_Listener { Listen *:25 { } }"));
    // Also when only the Pathway changes.
    const std::string rest = "Control_Listener { Listen *:25 { Pathway = p } }\n";
    ASSERT_HOLDS(refusal, mistakes_after(snapshot("Pathway p { }\n" + rest), "Pathway p { " + user + " }\n" + rest));
    ASSERT_HOLDS(refusal, mistakes_after(snapshot("Pathway_Group g { Pathway p { } }\n" + rest),
                                         "Pathway_Group g { Pathway p { " + user + " } }\n" + rest));
    ASSERT_HOLDS(refusal, mistakes_after(snapshot("Pathway_Group g { " + user + " }\nPathway p { }\n" + rest),
                                         "Pathway_Group g { " + user + "\nPathway p { } }\nPathway p { }\n" + rest));
  }
  void a_certificate_may_come_from_a_pathway() {
    const std::string listener = "ESMTP_Listener { Listen *:25 { Pathway = p\n Use_SSL = true } }\n";
    ASSERT_HOLDS("Use_SSL needs a TLS_Certificate", mistakes("Pathway p { }\n" + listener));
    CPPUNIT_ASSERT_EQUAL(std::string(), mistakes("Pathway p { TLS_Certificate = /x.pem }\n" + listener));
    const std::string required = mistakes(
        "Pathway p { TLS_Required = true }\n"
        "ESMTP_Listener { Listen *:25 { SMTP_Extensions = ( SIZE )\n Peer 10.0.0.1 { Pathway = p } } }");
    ASSERT_HOLDS("test.conf:1:13: error: TLS_Required needs a TLS_Certificate", required);
  }
  void changed_pathways_reach_their_clients() {
    const std::string rest = "ESMTP_Listener { Listen *:25 { Peer 10.0.0.0/8 { Pathway = p } } }\n";
    const SnapshotPtr before = snapshot("Pathway p { Max_Errors = 3 }\n" + rest);
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, client(before, "*:25", "10.0.0.1")[key::max_errors]);
    const SnapshotPtr after = next(before, "Pathway p { Max_Errors = 4 }\n" + rest);
    CPPUNIT_ASSERT_EQUAL(int64_t{4}, client(after, "*:25", "10.0.0.1")[key::max_errors]);
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, client(before, "*:25", "10.0.0.1")[key::max_errors]);
    CPPUNIT_ASSERT(!client(after, "*:25", "10.0.0.1").equivalent(client(before, "*:25", "10.0.0.1")));
    CPPUNIT_ASSERT(client(after, "*:25", "192.0.2.1").equivalent(client(before, "*:25", "192.0.2.1")));
    // A default one that comes.
    const SnapshotPtr third = next(after, "Pathway default { Max_Errors = 5 }\nPathway p { Max_Errors = 4 }\n" + rest);
    CPPUNIT_ASSERT_EQUAL(int64_t{5}, client(third, "*:25", "192.0.2.1")[key::max_errors]);
  }
  void untouched_pathways_keep_the_listens() {
    const std::string text =
        "Pathway_Group g { Pathway p { Max_Errors = 3 } }\nESMTP_Listener { Listen *:25 { Pathway = p } }\n";
    const SnapshotPtr before = snapshot(text);
    const SnapshotPtr after = next(before, text + "Domain a.example { }\n");
    CPPUNIT_ASSERT(&client(before, "*:25", "10.0.0.1") == &client(after, "*:25", "10.0.0.1"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(PathwaysTest);

}  // namespace
