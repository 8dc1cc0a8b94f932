// Snapshots: fallback, Peer chains, explain, cross checks.
#include "snapshot_kit.h"

#include <algorithm>
#include <random>
#include <thread>

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

class SnapshotTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SnapshotTest);
  CPPUNIT_TEST(an_empty_configuration_is_all_defaults);
  CPPUNIT_TEST(the_documented_example_of_peers);
  CPPUNIT_TEST(every_rung_hides_the_next);
  CPPUNIT_TEST(random_fallback_against_a_slow_model);
  CPPUNIT_TEST(listens_are_sorted_and_found);
  CPPUNIT_TEST(enable_of_listen_and_listener);
  CPPUNIT_TEST(unset_empty_and_default);
  CPPUNIT_TEST(domains_fall_back_on_global);
  CPPUNIT_TEST(certificates_and_loops);
  CPPUNIT_TEST(control_timeout_falls_back_on_its_global_name);
  CPPUNIT_TEST(explain_shows_the_ladder);
  CPPUNIT_TEST(explain_of_a_peer_that_is_no_scope);
  CPPUNIT_TEST(eval_agrees_with_clients);
  CPPUNIT_TEST(derived_is_made_once);
  CPPUNIT_TEST(many_threads_share_chains);
  CPPUNIT_TEST(cross_checks);
  CPPUNIT_TEST(cross_checks_after_an_edit);
  CPPUNIT_TEST(pool_names);
  CPPUNIT_TEST_SUITE_END();

  void an_empty_configuration_is_all_defaults() {
    const SnapshotPtr made = snapshot("");
    CPPUNIT_ASSERT(made->listens().empty());
    CPPUNIT_ASSERT((made->event_loops() == std::vector<std::string>{"default"}));
    CPPUNIT_ASSERT(made->event_loop("default") && !made->event_loop("other"));
    CPPUNIT_ASSERT(&made->for_domain("example.com") == &made->global());
    CPPUNIT_ASSERT(made->global()[key::force_fsync]);
    for (const OptionDef& option : options())
      CPPUNIT_ASSERT(made->global().raw(option) == default_value(option, ScopeKind::global));
  }
  void the_documented_example_of_peers() {
    const SnapshotPtr made = snapshot(
        "ESMTP_Listener {\n"
        "  Peer \"10.0.0.0/16\" { Max_Errors = 16 SMTP_Extensions = ( PIPELINING ) Open_Relay = true }\n"
        "  Listen \":25\" {\n"
        "    Peer \"10.0.0.1\" { SMTP_Extensions = ( \"ENHANCEDSTATUSCODES\" \"SIZE\" ) }\n"
        "  }\n"
        "}\n");
    const Options& one = client(made, ":25", "10.0.0.1");
    CPPUNIT_ASSERT((one[key::smtp_extensions] == Strings{"ENHANCEDSTATUSCODES", "SIZE"}));
    CPPUNIT_ASSERT_EQUAL(int64_t{16}, one[key::max_errors]);
    CPPUNIT_ASSERT(one[key::open_relay]);
    const Options& two = client(made, ":25", "10.0.0.2");
    CPPUNIT_ASSERT((two[key::smtp_extensions] == Strings{"PIPELINING"}));
    CPPUNIT_ASSERT_EQUAL(int64_t{16}, two[key::max_errors]);
    const Options& other = client(made, ":25", "10.1.0.1");
    CPPUNIT_ASSERT_EQUAL(int64_t{20}, other[key::max_errors]);
    CPPUNIT_ASSERT(&other == &made->find_listen(esmtp, at(":25"))->options());
    CPPUNIT_ASSERT(&client(made, ":25", "10.0.0.9") == &two);  // one block a chain
    CPPUNIT_ASSERT(&client(made, ":25", "::ffff:10.0.0.1") == &one);
  }
  // The whole order: each rung taken away uncovers the next.
  void every_rung_hides_the_next() {
    const std::vector<std::pair<std::string, std::string>> rungs{
        {"inner_long", "1"},  {"inner_short", "2"}, {"listen", "3"}, {"outer_long", "4"},
        {"outer_short", "5"}, {"listener", "6"},    {"global", "7"}};
    for (size_t gone = 0; gone <= rungs.size(); ++gone) {
      std::map<std::string, std::string> set;
      for (size_t i = gone; i < rungs.size(); ++i)
        set[rungs[i].first] = "Max_Recipients_Per_Message = " + rungs[i].second;
      const SnapshotPtr made = snapshot(
          set["global"] + "\nESMTP_Listener {\n" + set["listener"] + "\nPeer 10.0.0.0/8 { " + set["outer_short"] +
          " }\nPeer 10.1.0.0/16 { " + set["outer_long"] + " }\nListen \":25\" { " + set["listen"] +
          "\nPeer 10.0.0.0/9 { " + set["inner_short"] + " }\nPeer 10.1.1.1 { " + set["inner_long"] + " } } }\n");
      const int64_t expected = gone == rungs.size() ? 0 : static_cast<int64_t>(gone) + 1;
      CPPUNIT_ASSERT_EQUAL(expected, client(made, ":25", "10.1.1.1")[key::max_recipients_per_message]);
      const auto value = made->eval(path({"esmtp_listener", "listen", ":25", "peer", "10.1.1.1"}),
                                    definition(key::max_recipients_per_message));
      CPPUNIT_ASSERT_EQUAL(expected, std::get<int64_t>(value));
    }
  }
  // Random scopes over few networks; the model walks the rules of DESIGN §3 literally.
  void random_fallback_against_a_slow_model() {
    std::mt19937 random(11);
    const std::vector<std::string> networks{"0.0.0.0/0",     "10.0.0.0/8",  "10.0.0.0/16",  "10.0.0.0/24",
                                            "10.0.0.1",      "10.0.0.2/31", "10.128.0.0/9", "192.0.2.0/24",
                                            "2001:db8::/32", "::/0",        "2001:db8::1"};
    const std::vector<const char*> addresses{"10.0.0.1",  "10.0.0.3",    "10.0.9.9",    "10.200.0.1",
                                             "192.0.2.7", "2001:db8::1", "2001:db8::2", "fe80::1"};
    const auto options_used = {key::max_errors, key::max_recipients_per_message, key::max_receptions_per_connection};
    for (int round = 0; round < 60; ++round) {
      using Scopes = std::map<std::string, std::map<uint16_t, int64_t>>;
      Scopes inner, outer, plain;
      int64_t number = 1;
      const auto some = [&](bool global) {
        std::map<uint16_t, int64_t> values;
        for (const auto option : options_used)
          if (random() % 3 == 0 && (!global || definition(option).scopes & in(ScopeKind::global)))
            values[option.index] = number++;
        return values;
      };
      const auto body = [&](const std::map<uint16_t, int64_t>& values) {
        std::string text;
        for (const auto& [index, value] : values) text += fmt::format(" {} = {}\n", options()[index].name, value);
        return text;
      };
      plain["global"] = some(true), plain["listener"] = some(false), plain["listen"] = some(false);
      for (const std::string& network : networks) {
        if (random() % 2) inner[network] = some(false);
        if (random() % 2) outer[network] = some(false);
      }
      const auto peers = [&](const Scopes& scopes) {
        std::string text;
        for (const auto& [network, values] : scopes) text += "Peer \"" + network + "\" {" + body(values) + "}\n";
        return text;
      };
      const SnapshotPtr made =
          snapshot(body(plain["global"]) + "ESMTP_Listener {" + body(plain["listener"]) + peers(outer) +
                   "Listen \":25\" {" + body(plain["listen"]) + peers(inner) + "} }");
      for (const char* text : addresses) {
        const IpAddress address = ip(text);
        for (const auto option : options_used) {
          const auto from_peers = [&](const Scopes& scopes) -> std::optional<int64_t> {
            int best = -1;
            std::optional<int64_t> value;
            for (const auto& [name, values] : scopes) {
              const IpPrefix network = IpPrefix::parse(name).value();
              const auto found = values.find(option.index);
              if (!network.contains(address) || network.address().is_v4() != address.is_v4()) continue;
              if (found == values.end() || static_cast<int>(network.length()) <= best) continue;
              best = static_cast<int>(network.length());
              value = found->second;
            }
            return value;
          };
          const auto from = [&](const char* name) -> std::optional<int64_t> {
            const auto found = plain[name].find(option.index);
            return found == plain[name].end() ? std::nullopt : std::optional(found->second);
          };
          std::optional<int64_t> expected = from_peers(inner);
          if (!expected) expected = from("listen");
          if (!expected) expected = from_peers(outer);
          if (!expected) expected = from("listener");
          if (!expected) expected = from("global");
          if (!expected) expected = std::get<int64_t>(default_value(definition(option), esmtp));
          CPPUNIT_ASSERT_EQUAL(*expected, client(made, ":25", text)[option]);
          const auto value = made->eval(path({"esmtp_listener", "listen", ":25", "peer", text}), definition(option));
          CPPUNIT_ASSERT_EQUAL(*expected, std::get<int64_t>(value));
        }
      }
    }
  }
  void listens_are_sorted_and_found() {
    const SnapshotPtr made = snapshot(
        "Control_Listener { Listen \"/tmp/c.sock\" { } }\n"
        "ESMTP_Listener { Listen \"/tmp/s.sock\" { } Listen \"[::1]:25\" { } Listen \":587\" { } Listen \":25\" { } "
        "}\n");
    CPPUNIT_ASSERT_EQUAL(size_t{5}, made->listens().size());
    CPPUNIT_ASSERT(made->listens().back()->listener() == ScopeKind::control_listener);
    for (const auto& conf : made->listens())
      CPPUNIT_ASSERT(made->find_listen(conf->listener(), conf->endpoint()) == conf.get());
    CPPUNIT_ASSERT(!made->find_listen(ScopeKind::control_listener, at(":25")));
    CPPUNIT_ASSERT(!made->find_listen(esmtp, at(":26")));
    CPPUNIT_ASSERT_EQUAL(std::string("test.conf:1:20"), made->listens().back()->origin().to_string());
  }
  void enable_of_listen_and_listener() {
    const auto enabled = [](const char* listener, const char* listen) {
      return snapshot(fmt::format("ESMTP_Listener {{ {} Listen \":25\" {{ {} }} }}", listener, listen))
          ->listens()
          .front()
          ->enabled();
    };
    CPPUNIT_ASSERT(enabled("", ""));
    CPPUNIT_ASSERT(!enabled("", "Enable = false"));
    CPPUNIT_ASSERT(!enabled("Enable = false", ""));
    CPPUNIT_ASSERT(!enabled("Enable = false", "Enable = true"));
    CPPUNIT_ASSERT(enabled("Enable = true", "Enable = true"));
  }
  void unset_empty_and_default() {
    const SnapshotPtr made = snapshot(
        "TLS_Certificate = /etc/cert.pem\n"
        "ESMTP_Listener { Listen \":25\" { TLS_Certificate = none } Listen \":26\" { Static_Banner = hi } }\n");
    const Options& none = client(made, ":25", "10.0.0.1");
    CPPUNIT_ASSERT(!none.is_set(key::tls_certificate) && none[key::tls_certificate].empty());
    const Options& some = client(made, ":26", "10.0.0.1");
    CPPUNIT_ASSERT(some.is_set(key::tls_certificate) && some.is_set(key::static_banner));
    CPPUNIT_ASSERT(!none.is_set(key::static_banner) && none.is_set(key::max_errors));
    CPPUNIT_ASSERT(!made->global().is_set(key::server_max_file_descriptors));
  }
  void domains_fall_back_on_global() {
    const SnapshotPtr made = snapshot(
        "Gateway = ( relay.example )\nDomain Example.com { Max_Retries = 3 }\nDomain b.example { Gateway = x.example "
        "}\n");
    const Options& domain = made->for_domain("EXAMPLE.com");
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, domain[key::max_retries]);
    CPPUNIT_ASSERT((domain[key::gateway] == Strings{"relay.example"}));
    CPPUNIT_ASSERT(&made->for_domain("example.com.") == &domain);
    CPPUNIT_ASSERT(&made->for_domain("sub.example.com") == &made->global());
    CPPUNIT_ASSERT((made->for_domain("b.example")[key::gateway] == Strings{"x.example"}));
  }
  void certificates_and_loops() {
    const SnapshotPtr made = snapshot(
        "Certificate main { Cert = /c.pem Private_Key = file:///k.pem }\nEventLoop slow { Concurrency = 2 }\n"
        "Debug_Flags { Debug = \"smtp config\" }\n");
    CPPUNIT_ASSERT((made->certificates() == std::vector<std::string>{"main"}));
    CPPUNIT_ASSERT_EQUAL(std::string("/c.pem"), (*made->certificate("main"))[key::cert]);
    CPPUNIT_ASSERT(!made->certificate("other"));
    CPPUNIT_ASSERT((made->event_loops() == std::vector<std::string>{"default", "slow"}));
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, (*made->event_loop("slow"))[key::concurrency]);
    CPPUNIT_ASSERT((made->debug_flags()[key::debug] == Strings{"smtp", "config"}));
  }
  void control_timeout_falls_back_on_its_global_name() {
    const SnapshotPtr made =
        snapshot("Control_Client_Timeout = 7\nControl_Listener { Listen \"/a\" { } Listen \"/b\" { Timeout = 9 } }\n");
    const ScopeKind control = ScopeKind::control_listener;
    CPPUNIT_ASSERT(made->find_listen(control, at("/a"))->options()[key::timeout] == 7s);
    CPPUNIT_ASSERT(made->find_listen(control, at("/b"))->options()[key::timeout] == 9s);
    CPPUNIT_ASSERT_EQUAL(
        std::string("Control_Listener Listen /a, Control_Listener, global Control_Client_Timeout=7s*, default=1m"),
        ladder(made, {"control_listener", "listen", "/a"}, definition(key::timeout)));
    CPPUNIT_ASSERT(
        std::get<Duration>(made->eval(path({"control_listener", "listen", "/a"}), definition(key::timeout))) == 7s);
  }
  void explain_shows_the_ladder() {
    const SnapshotPtr made = snapshot(
        "Max_Message_Size = 1M\nESMTP_Listener {\n  Max_Message_Size = 2M\n  Peer 10.0.0.0/8 { Max_Message_Size = 3M "
        "}\n"
        "  Peer 10.0.0.0/16 { }\n  Listen \":25\" { Peer 10.0.0.1 { Max_Message_Size = 5M } Peer 11.0.0.0/8 { } "
        "}\n}\n");
    const OptionDef& size = definition(key::max_message_size);
    CPPUNIT_ASSERT_EQUAL(std::string("ESMTP_Listener Listen *:25 Peer 10.0.0.1=5M*, ESMTP_Listener Listen *:25, "
                                     "ESMTP_Listener Peer 10.0.0.0/16, ESMTP_Listener Peer 10.0.0.0/8=3M, "
                                     "ESMTP_Listener=2M, global=1M, default=50M"),
                         ladder(made, {"esmtp_listener", "listen", ":25", "peer", "10.0.0.1"}, size));
    CPPUNIT_ASSERT_EQUAL(std::string("ESMTP_Listener Listen *:25, ESMTP_Listener=2M*, global=1M, default=50M"),
                         ladder(made, {"esmtp_listener", "listen", ":25"}, size));
    CPPUNIT_ASSERT_EQUAL(std::string("global=1M*, default=50M"), ladder(made, {}, size));
    const auto rungs = made->explain(path({"esmtp_listener", "peer", "10.0.0.0/16"}), size);
    CPPUNIT_ASSERT_EQUAL(std::string("test.conf:4:21"), rungs[1].origin.to_string());
    CPPUNIT_ASSERT(rungs[1].won && !rungs[0].set && rungs.back().scope == "default");
    // Only where the option may stand.
    CPPUNIT_ASSERT_EQUAL(std::string("global, default"), ladder(made, {"esmtp_listener"}, definition(key::hostname)));
    CPPUNIT_ASSERT_EQUAL(std::string("Domain a.example, global, default=25*"),
                         ladder(made, {"domain", "a.example"}, definition(key::remote_smtp_port)));
  }
  void explain_of_a_peer_that_is_no_scope() {
    const SnapshotPtr made = snapshot("ESMTP_Listener { Listen \":25\" { Peer 10.0.0.0/8 { Max_Errors = 3 } } }\n");
    CPPUNIT_ASSERT_EQUAL(
        std::string("ESMTP_Listener Listen *:25 Peer 10.9.9.9, ESMTP_Listener Listen *:25 Peer "
                    "10.0.0.0/8=3*, ESMTP_Listener Listen *:25, ESMTP_Listener, default=20"),
        ladder(made, {"esmtp_listener", "listen", ":25", "peer", "10.9.9.9"}, definition(key::max_errors)));
    CPPUNIT_ASSERT_EQUAL(std::string("ESMTP_Listener Listen *:99, ESMTP_Listener, default=20*"),
                         ladder(made, {"esmtp_listener", "listen", ":99"}, definition(key::max_errors)));
    CPPUNIT_ASSERT_EQUAL(
        std::string("Control_Listener Peer 10.0.0.1, Control_Listener, global Control_Client_Timeout, default=1m*"),
        ladder(made, {"control_listener", "peer", "10.0.0.1"}, definition(key::timeout)));
  }
  void eval_agrees_with_clients() {
    const SnapshotPtr made = snapshot(
        "TLS_Certificate = /c.pem\nESMTP_Listener { Peer ::/0 { Idle_Time = 3 } Listen \"[*]:25\" { Idle_Time = 9 } "
        "}\n");
    for (const OptionDef& option : options()) {
      const auto value = made->eval(path({"esmtp_listener", "listen", "[*]:25", "peer", "::1"}), option);
      CPPUNIT_ASSERT_MESSAGE(std::string(option.name), value == client(made, "[*]:25", "::1").raw(option));
    }
  }
  void derived_is_made_once() {
    struct Policy {
      int64_t errors;
    };
    const SnapshotPtr made = snapshot("ESMTP_Listener { Max_Errors = 4 Listen \":25\" { } }\n");
    int times = 0;
    const auto make = [&](const Options& o) {
      ++times;
      return std::make_shared<const Policy>(Policy{o[key::max_errors]});
    };
    const auto first = client(made, ":25", "10.0.0.1").derived<Policy>(make);
    CPPUNIT_ASSERT(client(made, ":25", "10.0.0.2").derived<Policy>(make) == first);
    CPPUNIT_ASSERT_EQUAL(1, times);
    CPPUNIT_ASSERT_EQUAL(int64_t{4}, first->errors);
  }
  void many_threads_share_chains() {
    std::string text = "ESMTP_Listener {\n";
    for (int i = 0; i < 200; ++i) text += fmt::format("Peer 10.0.{}.0/24 {{ Max_Errors = {} }}\n", i, i + 1);
    const SnapshotPtr made = snapshot(text + "Listen \":25\" { Peer 10.0.7.7 { Error_Delay = 1 } } }\n");
    std::vector<std::vector<const Options*>> seen(4, std::vector<const Options*>(201));
    std::atomic<int> wrong{0};
    {
      std::vector<std::jthread> threads;
      for (size_t t = 0; t < seen.size(); ++t)
        threads.emplace_back([&, t] {
          for (int round = 0; round < 3; ++round)
            for (size_t k = 0; k < 200; ++k) {
              const size_t i = t % 2 ? k : 199 - k;
              const auto address = IpAddress::v4(0x0A000000 + (static_cast<uint32_t>(i) << 8) + 7);
              const Options& options = made->find_listen(esmtp, at(":25"))->for_peer(address);
              if (options[key::max_errors] != static_cast<int64_t>(i) + 1) ++wrong;
              seen[t][i] = &options;
            }
        });
    }
    CPPUNIT_ASSERT_EQUAL(0, wrong.load());
    for (const auto& each : seen) CPPUNIT_ASSERT(each == seen.front());
    CPPUNIT_ASSERT(client(made, ":25", "10.0.7.7")[key::error_delay] == 1s);
  }
  void cross_checks() {
    CPPUNIT_ASSERT_EQUAL(std::string(""), mistakes("ESMTP_Listener { }\nControl_Listener { }\n"));
    std::string text =
        mistakes("Certificate main { Cert = /c Private_Key = /k }\nESMTP_Listener {\n  TLS_Certificate = mian\n}\n");
    ASSERT_HOLDS("test.conf:3:3: error: TLS_Certificate: there is no Certificate \"mian\"", text);
    ASSERT_HOLDS("did you mean 'main'?", text);
    CPPUNIT_ASSERT_EQUAL(std::string(""), mistakes("TLS_Certificate = cert.pem\n"));
    ASSERT_HOLDS("needs Private_Key", mistakes("Certificate main { Cert = /c }\n"));
    ASSERT_HOLDS("there is no EventLoop \"fast\"",
                 mistakes("ESMTP_Listener { Listen \":25\" { Event_Loop = fast } }\n"));
    CPPUNIT_ASSERT_EQUAL(std::string(""), mistakes("ESMTP_Listener { Event_Loop = default }\n"));
    text = mistakes("ESMTP_Listener { Listen \":25\" { } }\nControl_Listener {\n Listen \"*:25\" { } }\n");
    ASSERT_HOLDS("test.conf:3:2: error: Listen \"*:25\" stands in ESMTP_Listener and in Control_Listener", text);
    ASSERT_HOLDS("test.conf:2:1",
                 mistakes("Control_Listener { Listen \":25\" { } }\nESMTP_Listener { Listen \":25\" { } }\n"));
    ASSERT_HOLDS("test.conf:1:18: error: Use_SSL needs a TLS_Certificate",
                 mistakes("ESMTP_Listener { Use_SSL = on Listen \":25\" { } }\n"));
    CPPUNIT_ASSERT_EQUAL(std::string(""),
                         mistakes("TLS_Certificate = /c.pem\nESMTP_Listener { Use_SSL = on Listen \":25\" { } }\n"));
    ASSERT_HOLDS("TLS_Required needs a TLS_Certificate",
                 mistakes("TLS_Certificate = /c.pem\nESMTP_Listener { TLS_Required = on Listen \":25\" { "
                          "TLS_Certificate = none } }\n"));
    ASSERT_HOLDS("TLS_Required needs a TLS_Certificate",
                 mistakes("ESMTP_Listener { Listen \":25\" { Peer 10.0.0.1 { TLS_Required = on } } }\n"));
    CPPUNIT_ASSERT_EQUAL(
        std::string(""),
        mistakes(
            "ESMTP_Listener { Peer 10.0.0.1 { TLS_Required = on } Listen \":25\" { TLS_Certificate = /c.pem } }\n"));
    ASSERT_HOLDS("test.conf:1:1: error: Delivery_Method = maildir needs a Maildir_Path",
                 mistakes("Delivery_Method = maildir\n"));
    ASSERT_HOLDS("test.conf:1:20: error: Delivery_Method",
                 mistakes("Domain a.example { Delivery_Method = maildir }\n"));
    CPPUNIT_ASSERT_EQUAL(std::string(""),
                         mistakes("Maildir_Path = /m\nDomain a.example { Delivery_Method = maildir }\n"));
    CPPUNIT_ASSERT_EQUAL(std::string(""),
                         mistakes("Domain a.example { Delivery_Method = maildir Maildir_Path = /m }\n"));
    ASSERT_HOLDS("warning: Listen \"*:0\": the kernel will choose a port",
                 mistakes("ESMTP_Listener { Listen \":0\" { } }\n"));
    ASSERT_HOLDS("warning: STARTTLS is not offered on *:25",
                 mistakes("ESMTP_Listener { Listen \":25\" { SMTP_Extensions = ( STARTTLS ) } }\n"));
  }
  // What an edit breaks elsewhere is found, though most is not looked at again.
  void cross_checks_after_an_edit() {
    const auto after = [](const std::string& before, const std::string& text) {
      const SnapshotPtr first = snapshot(before);
      Diagnostics diagnostics;
      const SnapshotPtr made = compile(tree(text), 2, diagnostics, first);
      CPPUNIT_ASSERT_EQUAL(has_errors(diagnostics), made == nullptr);
      return all(diagnostics);
    };
    const std::string certificate = "Certificate main { Cert = /c Private_Key = /k }\n";
    const std::string user = "ESMTP_Listener { Listen \":25\" { Peer 10.0.0.1 { TLS_Certificate = main } } }\n";
    ASSERT_HOLDS("there is no Certificate", after(certificate + user, user));
    const std::string required = "ESMTP_Listener { Listen \":25\" { Peer 10.0.0.1 { TLS_Required = yes } } }\n";
    ASSERT_HOLDS("TLS_Required needs", after("TLS_Certificate = /c\n" + required, required));
    const std::string domain = "Domain a.example { Delivery_Method = maildir }\n";
    ASSERT_HOLDS("needs a Maildir_Path", after("Maildir_Path = /m\n" + domain, domain));
    CPPUNIT_ASSERT_EQUAL(std::string(""), after(certificate + user, certificate + user));
    const std::string loops = "EventLoop a { }\nThreadPool t { }\n";
    const std::string pools = "ESMTP_Listener { Pool_Name = t\n Listen \":25\" { Event_Loop = a } }\n";
    ASSERT_HOLDS("there is no EventLoop or ThreadPool \"t\"", after(loops + pools, "EventLoop a { }\n" + pools));
    // What was a ThreadPool's name is now an EventLoop's; what is around a Listen is said anew.
    ASSERT_HOLDS("served by one EventLoop", after(loops + pools, loops + "EventLoop t { }\n" + pools));
    ASSERT_HOLDS("served by one EventLoop", after(loops + pools, loops + "ESMTP_Listener { Pool_Name = default\n" +
                                                                     pools.substr(pools.find(" L"))));
  }
  void pool_names() {
    const std::string loops = "EventLoop accept { }\nThreadPool old { Concurrency = 4 }\n";
    const auto listener = [&](const std::string& text) {
      return mistakes(loops + "ESMTP_Listener {\n" + text + "\n}");
    };
    const std::string notice = "notice: Pool_Name: ThreadPool \"old\" has no effect here, Event_Loop says who serves";
    for (const char* good : {"Pool_Name = accept", "Event_Loop = accept\nPool_Name = accept", "Pool_Name = \"\"",
                             "Pool_Name = old", "Event_Loop = accept\nPool_Name = old",
                             "Pool_Name = accept\nListen \":25\" { Pool_Name = \"\" Event_Loop = default }"})
      CPPUNIT_ASSERT_MESSAGE(good, listener(good).find("error:") == std::string::npos);
    ASSERT_HOLDS("test.conf:4:1: " + notice, listener("Pool_Name = old"));
    // Of many, once: mistakes shall have room.
    const std::string many = listener("Listen \":25\" { Pool_Name = old }\nListen \":26\" { Pool_Name = old }");
    CPPUNIT_ASSERT_EQUAL(many.find(notice), many.rfind(notice));
    ASSERT_HOLDS("test.conf:4:1: error: Pool_Name: there is no EventLoop or ThreadPool \"acept\"",
                 listener("Pool_Name = acept"));
    ASSERT_HOLDS("did you mean 'accept'?", listener("Pool_Name = acept"));
    ASSERT_HOLDS(
        "test.conf:5:1: error: ESMTP_Listener is served by one EventLoop: Pool_Name = accept, but "
        "Event_Loop = default",
        listener("Event_Loop = default\nPool_Name = accept"));
    ASSERT_HOLDS(
        "test.conf:5:16: error: Listen \"*:25\" is served by one EventLoop: Event_Loop = default, but "
        "Pool_Name = accept",
        listener("Pool_Name = accept\nListen \":25\" { Event_Loop = default }"));
    ASSERT_HOLDS("the other one: test.conf:4:1; either may be left out",
                 listener("Pool_Name = accept\nListen \":25\" { Event_Loop = default }"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SnapshotTest);

}  // namespace
