// The config commands, right and wrong, over a real engine; golden answers.
#include "fake_system.h"

#include "base/text.h"

#include <cppunit/extensions/HelperMacros.h>
#include <nlohmann/json.hpp>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;

namespace {

class ConfigCommandsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ConfigCommandsTest);
  CPPUNIT_TEST(get);
  CPPUNIT_TEST(get_wrong);
  CPPUNIT_TEST(eval_falls_back);
  CPPUNIT_TEST(eval_per_option);
  CPPUNIT_TEST(eval_waiting_for_restart);
  CPPUNIT_TEST(explain);
  CPPUNIT_TEST(explain_json);
  CPPUNIT_TEST(show);
  CPPUNIT_TEST(showrecurse);
  CPPUNIT_TEST(showrecurse_can_be_loaded);
  CPPUNIT_TEST(show_json);
  CPPUNIT_TEST(long_lists);
  CPPUNIT_TEST(secrets);
  CPPUNIT_TEST(set);
  CPPUNIT_TEST(set_makes_scopes);
  CPPUNIT_TEST(whole_scopes_are_told_with_their_content);
  CPPUNIT_TEST(set_wrong);
  CPPUNIT_TEST(set_json);
  CPPUNIT_TEST(unset);
  CPPUNIT_TEST(unset_scope);
  CPPUNIT_TEST(unset_wrong);
  CPPUNIT_TEST(reload);
  CPPUNIT_TEST(reload_with_a_mistake);
  CPPUNIT_TEST(reload_check_changes_nothing);
  CPPUNIT_TEST(reload_drops_edits);
  CPPUNIT_TEST(refused_by_a_participant);
  CPPUNIT_TEST_SUITE_END();

  void get() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(" Idle_Time = 2m\n=0 ok gen=1\n"s, console("config get esmtp_listener idle_time"));
    CPPUNIT_ASSERT_EQUAL(" Idle_Time = 5s\n=0 ok gen=1\n"s,
                         console("config get ESMTP_Listener Listen :25 Peer 10.0.0.1 IDLE_TIME"));
    CPPUNIT_ASSERT_EQUAL(" SMTP_Extensions = ( PIPELINING SIZE )\n=0 ok gen=1\n"s,
                         console("config get esmtp_listener listen \"*:25\" smtp_extensions"));
    CPPUNIT_ASSERT_EQUAL(
        " {\"scope\":\"esmtp_listener\",\"option\":\"Idle_Time\",\"text\":\"2m\",\"origin\":\"impulse.conf:4:3\","
        "\"edited\":false,\"value\":120}\n=0 ok gen=1\n"s,
        console("--json config get esmtp_listener idle_time"));
  }
  void get_wrong() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("!error config-not-set Idle_Time is not set in esmtp_listener listen *:25\n=3 not-found\n"s,
                         console("config get esmtp_listener listen :25 idle_time"));
    CPPUNIT_ASSERT_EQUAL("!error config-no-such-scope there is no esmtp_listener listen *:26\n=3 not-found\n"s,
                         console("config get esmtp_listener listen :26 idle_time"));
    CPPUNIT_ASSERT_EQUAL(
        "!error config-unknown-option console:1:27: no option and no scope is called 'idel_time'; did you mean "
        "'Idle_Time'?\n=1 failed\n"s,
        console("config get esmtp_listener idel_time"));
    CPPUNIT_ASSERT_EQUAL(
        "!error config-unknown-option console:1:12: no option and no scope is called 'esmtp_listner'; did you mean "
        "'ESMTP_Listener'?\n=1 failed\n"s,
        console("config get esmtp_listner idle_time"));
    CPPUNIT_ASSERT_EQUAL("!error control-usage an option is expected; usage: config get [SCOPE...] OPTION\n=2 usage\n"s,
                         console("config get esmtp_listener"));
    CPPUNIT_ASSERT_EQUAL("!error control-usage console:1:21: nothing is expected behind the option\n=2 usage\n"s,
                         console("config get hostname x"));
    CPPUNIT_ASSERT_EQUAL("=1 failed"s,
                         status_of(console("config get peer 10.0.0.1 idle_time")));  // not in the global scope
    CPPUNIT_ASSERT_EQUAL("=1 failed"s, status_of(console("config get esmtp_listener listen nonsense idle_time")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config get ( hostname )")));
  }
  void eval_falls_back() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(" Idle_Time = 2m\n=0 ok gen=1\n"s, console("config eval esmtp_listener listen :25 idle_time"));
    CPPUNIT_ASSERT_EQUAL(" Force_Fsync = true\n=0 ok gen=1\n"s, console("config eval force_fsync"));
    CPPUNIT_ASSERT_EQUAL(
        " {\"scope\":\"global\",\"option\":\"Spool_Segment_Size\",\"effect\":\"live\",\"value\":268435456}\n=0 ok gen=1\n"s,
        console("--json config eval spool_segment_size"));
  }
  // The documented example: a longer prefix that does not set an option does not hide a shorter one that does.
  void eval_per_option() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(" Idle_Time = 5s\n=0 ok gen=1\n"s,
                         console("config eval esmtp_listener listen :25 peer 10.0.0.1 idle_time"));
    CPPUNIT_ASSERT_EQUAL(" Max_Recipients_Per_Message = 50\n=0 ok gen=1\n"s,
                         console("config eval esmtp_listener listen :25 peer 10.0.0.1 max_recipients_per_message"));
    CPPUNIT_ASSERT_EQUAL(
        "!notice config-no-such-scope there is no esmtp_listener listen *:25 peer 10.0.9.9; this is what it would "
        "have\n Idle_Time = 30s\n=0 ok gen=1\n"s,
        console("config eval esmtp_listener listen :25 peer 10.0.9.9 idle_time"));
  }
  void eval_waiting_for_restart() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(
        " global: Spoolbase /var/spool/impulse -> /elsewhere (restart)\n"
        "!notice config-restart-needed 1 of these changes waits for a restart\n=0 ok gen=2 changes=1\n"s,
        console("config set spoolbase /elsewhere"));
    CPPUNIT_ASSERT_EQUAL(
        " Spoolbase = /var/spool/impulse\n # after a restart: Spoolbase = /elsewhere\n=0 ok gen=2 pending=restart\n"s,
        console("config eval spoolbase"));
    CPPUNIT_ASSERT_EQUAL(
        " {\"scope\":\"global\",\"option\":\"Spoolbase\",\"effect\":\"restart\",\"pending\":\"/elsewhere\","
        "\"value\":\"/var/spool/impulse\"}\n=0 ok gen=2 pending=restart\n"s,
        console("--json config eval spoolbase"));
    CPPUNIT_ASSERT_EQUAL(" Spoolbase = /elsewhere\n=0 ok gen=2\n"s, console("config get spoolbase"));
    console("config set spoolbase /var/spool/impulse");
    CPPUNIT_ASSERT_EQUAL(" Spoolbase = /var/spool/impulse\n=0 ok gen=3\n"s, console("config eval spoolbase"));
  }
  void explain() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(
        " Idle_Time = 5s\n"
        " -> ESMTP_Listener Listen *:25 Peer 10.0.0.1 = 5s  (impulse.conf:9:23)\n"
        "    ESMTP_Listener Listen *:25: not set\n"
        "    ESMTP_Listener Peer 10.0.0.0/16 = 30s  (impulse.conf:6:2)\n"
        "    ESMTP_Listener = 2m  (impulse.conf:4:3)\n"
        "    default = 5m\n"
        "=0 ok gen=1\n"s,
        console("config explain esmtp_listener listen :25 peer 10.0.0.1 idle_time"));
    console("config set esmtp_listener listen :25 peer 10.0.0.1 idle_time 6");
    const std::string edited = console("config explain esmtp_listener listen :25 peer 10.0.0.1 idle_time");
    CPPUNIT_ASSERT_MESSAGE(edited, edited.find("Peer 10.0.0.1 = 6s  (console: alice:1:52)\n") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL("=1 failed"s, status_of(console("config explain nonsense")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config explain")));
  }
  void explain_json() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(
        " {\"scope\":\"esmtp_listener listen *:25\",\"option\":\"Idle_Time\",\"effect\":\"next-message\",\"rung\":"
        "\"ESMTP_Listener Listen *:25\",\"set\":false,\"won\":false}\n"
        " {\"scope\":\"esmtp_listener listen *:25\",\"option\":\"Idle_Time\",\"effect\":\"next-message\",\"rung\":"
        "\"ESMTP_Listener\",\"set\":true,\"text\":\"2m\",\"origin\":\"impulse.conf:4:3\",\"won\":true}\n"
        " {\"scope\":\"esmtp_listener listen *:25\",\"option\":\"Idle_Time\",\"effect\":\"next-message\",\"rung\":"
        "\"default\",\"set\":true,\"text\":\"5m\",\"won\":false}\n=0 ok gen=1\n"s,
        console("--json config explain esmtp_listener listen :25 idle_time"));
  }
  void show() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(
        " Idle_Time = 2m\n Peer \"10.0.0.0/16\" { ... }\n Listen \"*:25\" { ... }\n Listen \"127.0.0.1:587\" { ... }\n"
        "=0 ok gen=1\n"s,
        console("config show esmtp_listener"));
    CPPUNIT_ASSERT_EQUAL(" Listen \"/run/impulse/control\" {}\n=0 ok gen=1\n"s,
                         console("config show control_listener"));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1\n"s, console("config show control_listener listen /run/impulse/control"));
    CPPUNIT_ASSERT_EQUAL(" Hostname = mx.example.com\n=0 ok gen=1\n"s, console("config show hostname"));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("config show domain example.org")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config show hostname nodename")));
    CPPUNIT_ASSERT_EQUAL("=1 failed"s, status_of(console("config show nonsense")));
    CPPUNIT_ASSERT(console("config show")
                       .starts_with(" Hostname = mx.example.com\n Spoolbase = /var/spool/impulse\n "
                                    "ESMTP_Listener { ... }\n"));
  }
  void showrecurse() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(
        " ESMTP_Listener {\n"
        "   Idle_Time = 2m\n"
        "   Peer \"10.0.0.0/16\" {\n"
        "     Idle_Time = 30s\n"
        "     Max_Recipients_Per_Message = 50\n"
        "   }\n"
        "   Listen \"*:25\" {\n"
        "     SMTP_Extensions = ( PIPELINING SIZE )\n"
        "     Peer \"10.0.0.1\" {\n"
        "       Idle_Time = 5s\n"
        "     }\n"
        "   }\n"
        "   Listen \"127.0.0.1:587\" {\n"
        "     Enable = false\n"
        "   }\n"
        " }\n"
        "=0 ok gen=1\n"s,
        console("config showrecurse esmtp_listener"));
    CPPUNIT_ASSERT_EQUAL(" Listen \"127.0.0.1:587\" {\n   Enable = false\n }\n=0 ok gen=1\n"s,
                         console("config showrecurse esmtp_listener listen 127.0.0.1:587"));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config showrecurse esmtp_listener idle_time")));
  }
  // What it shows is a configuration, and the same one.
  void showrecurse_can_be_loaded() {
    Console console;
    console("config set static_banner \"a \\\"quoted\\\" # banner\\\\\"");
    console("config set esmtp_listener static_banner \"a \\\"quoted\\\" # banner\\\\\"");
    const std::string shown = console("config showrecurse");
    std::string text;
    for (const auto line : split(shown, '\n'))
      if (line.starts_with(' ')) text += std::string(line.substr(1)) + "\n";
    Console other(text);
    CPPUNIT_ASSERT_MESSAGE(text, other.system.loaded.ok);
    const auto payload_of = [](const std::string& reply) { return reply.substr(0, reply.rfind('=')); };
    CPPUNIT_ASSERT_EQUAL(payload_of(shown), payload_of(other("config showrecurse")));
    CPPUNIT_ASSERT(shown.find("Static_Banner") != std::string::npos);
  }
  void show_json() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(
        " {\"scope\":\"esmtp_listener\",\"option\":\"Idle_Time\",\"origin\":\"impulse.conf:4:3\",\"edited\":false,"
        "\"value\":120}\n"
        " {\"scope\":\"esmtp_listener peer 10.0.0.0/16\",\"kind\":\"Peer\",\"instance\":\"10.0.0.0/16\",\"origin\":"
        "\"impulse.conf:5:3\"}\n"
        " {\"scope\":\"esmtp_listener listen *:25\",\"kind\":\"Listen\",\"instance\":\"*:25\",\"origin\":"
        "\"impulse.conf:7:3\"}\n"
        " {\"scope\":\"esmtp_listener listen 127.0.0.1:587\",\"kind\":\"Listen\",\"instance\":\"127.0.0.1:587\","
        "\"origin\":\"impulse.conf:11:3\"}\n=0 ok gen=1\n"s,
        console("--json config show esmtp_listener"));
  }
  void long_lists() {
    std::string text = "Relay_Hosts = (";
    for (int i = 0; i < 5000; ++i) text += fmt::format(" 10.{}.{}.0/24", i / 256, i % 256);
    Console console(text + " )\n");
    CPPUNIT_ASSERT(console.system.loaded.ok);
    const std::string shown = console("config get relay_hosts");
    CPPUNIT_ASSERT(shown.starts_with(" Relay_Hosts = (\n   10.0.0.0/24\n   10.0.1.0/24\n"));
    CPPUNIT_ASSERT(shown.ends_with("   10.19.135.0/24\n )\n=0 ok gen=1\n"));
    // As JSON in several documents, none longer than a line may be.
    size_t items = 0;
    size_t part = 0;
    const std::string json = console("--json config get relay_hosts");
    for (const auto line : split(json, '\n')) {
      if (!line.starts_with(' ')) continue;
      CPPUNIT_ASSERT(line.size() < 65536);
      const auto document = nlohmann::json::parse(line.substr(1));
      CPPUNIT_ASSERT_EQUAL(part++, document.at("part").get<size_t>());
      items += document.at("value").size();
      CPPUNIT_ASSERT_EQUAL(items < 5000, document.value("more", false));
    }
    CPPUNIT_ASSERT_EQUAL(size_t{5000}, items);
    CPPUNIT_ASSERT(part > 1);
  }
  void secrets() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=2 changes=1"s, status_of(console("config set tls_key_password hunter2")));
    for (const auto command :
         {"config get tls_key_password", "config eval tls_key_password", "config show",
          "config explain tls_key_password", "config showrecurse", "complete config set tls_key_password "})
      for (const auto mode : {"", "--json "}) {
        const std::string reply = console(mode + std::string(command));
        CPPUNIT_ASSERT_MESSAGE(reply, reply.find("hunter2") == std::string::npos);
      }
    CPPUNIT_ASSERT_EQUAL(" TLS_Key_Password = (redacted)\n=0 ok gen=2\n"s, console("config get tls_key_password"));
    CPPUNIT_ASSERT(console("config set tls_key_password hunter3").find("hunter") == std::string::npos);
  }
  void set() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(" esmtp_listener listen *:25: Enable (unset) -> false (live)\n=0 ok gen=2 changes=1\n"s,
                         console("config set esmtp_listener listen :25 enable false"));
    CPPUNIT_ASSERT_EQUAL("=0 unchanged gen=2\n"s, console("config set esmtp_listener listen :25 enable = off"));
    CPPUNIT_ASSERT_EQUAL(" esmtp_listener listen *:25: Enable false -> true (live)\n=0 ok gen=3 changes=1\n"s,
                         console("config set esmtp_listener listen 0.0.0.0:25 enable=true"));
    CPPUNIT_ASSERT_EQUAL(
        " global: Relay_Hosts (unset) -> ( 10.0.0.0/8 192.0.2.1 ) (next-message)\n=0 ok gen=4 changes=1\n"s,
        console("config set Relay_Hosts ( 10.0.0.0/8, 192.0.2.1 )"));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=5 changes=1"s, status_of(console("config set Relay_Hosts = ( )")));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=6 changes=1"s, status_of(console("config set hostname \"b.example\"")));
  }
  void set_makes_scopes() {
    Console console;
    const std::string reply = console("config set esmtp_listener peer 192.0.2.77/24 idle_time 9s");
    CPPUNIT_ASSERT_MESSAGE(reply, status_of(reply).starts_with("=0 ok gen=2 "));
    CPPUNIT_ASSERT_EQUAL(" Idle_Time = 9s\n=0 ok gen=2\n"s,
                         console("config get esmtp_listener peer 192.0.2.0/24 idle_time"));
    CPPUNIT_ASSERT(status_of(console("config set domain Example.ORG gateway 192.0.2.9")).starts_with("=0 ok gen=3 "));
    CPPUNIT_ASSERT_EQUAL(" Domain \"example.org\" {\n   Gateway = ( 192.0.2.9 )\n }\n=0 ok gen=3\n"s,
                         console("config showrecurse domain example.org"));
  }
  void whole_scopes_are_told_with_their_content() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(" domain late.example: added (live)\n   Suspend_Delivery = true\n=0 ok gen=2 changes=1\n"s,
                         console("config set domain late.example suspend_delivery true"));
    CPPUNIT_ASSERT_EQUAL(
        " esmtp_listener listen *:26: added (relisten)\n   Peer \"10.0.0.1\" {\n     Idle_Time = 7s\n   }\n"
        "=0 ok gen=3 changes=1\n"s,
        console("config set esmtp_listener listen :26 peer 10.0.0.1 idle_time 7"));
    const std::string dropped = console("config reload");
    for (const auto line :
         {" domain late.example: removed (live)\n   Suspend_Delivery = true\n",
          "dropped: domain late.example: added (live)\n",
          "dropped: domain late.example: Suspend_Delivery (unset) -> true (live)\n",
          "dropped: esmtp_listener listen *:26 peer 10.0.0.1: Idle_Time (unset) -> 7s (next-message)\n"})
      CPPUNIT_ASSERT_MESSAGE(dropped, dropped.find(line) != std::string::npos);
    const std::string json = console("--json config set domain late.example suspend_delivery true");
    CPPUNIT_ASSERT_MESSAGE(json, json.find("\"change\":\"added\",\"value\":true}") != std::string::npos);
  }
  void set_wrong() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(
        "!error config-bad-value console:1:45: Enable: expected true or false, got 'maybe'\n=1 failed gen=1\n"s,
        console("config set esmtp_listener listen :25 enable maybe"));
    CPPUNIT_ASSERT_EQUAL(
        "!error config-one-value console:1:65: one value expected; quote it or use ( ) for an array\n=2 usage\n"s,
        console("config set esmtp_listener listen :25 smtp_extensions PIPELINING SIZE"));
    CPPUNIT_ASSERT_EQUAL(
        "!error control-usage a value is expected; usage: config set [SCOPE...] OPTION [=] VALUE\n=2 usage\n"s,
        console("config set hostname"));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config set hostname =")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config set")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config set esmtp_listener")));
    const std::string wrong_scope = console("config set esmtp_listener spoolbase /x");
    CPPUNIT_ASSERT_MESSAGE(wrong_scope, wrong_scope.starts_with("!error config-wrong-scope console:1:"));
    CPPUNIT_ASSERT_EQUAL("=1 failed gen=1"s, status_of(wrong_scope));
    const std::string unavailable = console("config set enable_authentication true");
    CPPUNIT_ASSERT_EQUAL_MESSAGE(unavailable, "=1 failed gen=1"s, status_of(unavailable));
    const std::string scope = console("config set eccluster_listener enable true");
    CPPUNIT_ASSERT_MESSAGE(scope, scope.starts_with("!error config-not-available console:1:12: "));
    CPPUNIT_ASSERT_EQUAL("=1 failed"s, status_of(scope));
    CPPUNIT_ASSERT_EQUAL("=0 unchanged gen=1"s, status_of(console("config reload")));  // nothing has happened
  }
  void set_json() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(
        " {\"scope\":\"esmtp_listener\",\"change\":\"changed\",\"option\":\"Idle_Time\",\"before\":\"2m\",\"after\":"
        "\"3m\",\"effect\":\"next-message\"}\n=0 ok gen=2 changes=1\n"s,
        console("--json config set esmtp_listener idle_time 180"));
  }
  void unset() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(
        " esmtp_listener listen *:25 peer 10.0.0.1: Idle_Time 5s -> (unset) (next-message)\n"
        "!notice config-falls-back Idle_Time = 30s, from ESMTP_Listener Peer 10.0.0.0/16\n=0 ok gen=2 changes=1\n"s,
        console("config unset esmtp_listener listen :25 peer 10.0.0.1 idle_time"));
    CPPUNIT_ASSERT_EQUAL(" global: Hostname mx.example.com -> (unset) (next-session)\n=0 ok gen=3 changes=1\n"s,
                         console("config unset hostname"));
  }
  void unset_scope() {
    Console console;
    const std::string reply = console("config unset domain example.com");
    CPPUNIT_ASSERT_EQUAL(" domain example.com: removed (live)\n   Gateway = ( 192.0.2.1 )\n=0 ok gen=2 changes=1\n"s,
                         reply);
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("config show domain example.com")));
  }
  void unset_wrong() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("!error config-not-set Nodename is not set in global\n=3 not-found\n"s,
                         console("config unset nodename"));
    CPPUNIT_ASSERT_EQUAL("!error config-no-such-scope there is no domain a.example\n=3 not-found\n"s,
                         console("config unset domain a.example"));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config unset")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config unset hostname x")));
    CPPUNIT_ASSERT_EQUAL("=1 failed"s, status_of(console("config unset hostnam")));
  }
  void reload() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=0 unchanged gen=1\n"s, console("config reload"));
    std::string& file = console.system.files["impulse.conf"];
    file = file.replace(file.find("120"), 3, "240");
    CPPUNIT_ASSERT_EQUAL(" esmtp_listener: Idle_Time 2m -> 4m (next-message)\n=0 ok gen=2 changes=1\n"s,
                         console("config reload"));
    CPPUNIT_ASSERT_EQUAL("=1 failed gen=2"s, status_of(console("config reload /other/file")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config reload other-file")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config reload --check --check")));
    console.system.files.clear();
    const std::string gone = console("config reload");
    CPPUNIT_ASSERT_EQUAL_MESSAGE(gone, '1', status_of(gone)[1]);
    CPPUNIT_ASSERT(gone.starts_with("!error config-unreadable "));
  }
  void reload_with_a_mistake() {
    Console console;
    console.system.files["impulse.conf"] = "Hostname = x.example\nLisen_Backlog = 5\nForce_Fsync = perhaps\n";
    CPPUNIT_ASSERT_EQUAL(
        "!error config-unknown-option impulse.conf:2:1: unknown option 'Lisen_Backlog'; did you mean "
        "'Listen_Backlog'?\n"
        "!notice config-source-line     2 | Lisen_Backlog = 5\n"
        "!notice config-source-line       | ^~~~~~~~~~~~~\n"
        "!error config-bad-value impulse.conf:3:15: Force_Fsync: expected true or false, got 'perhaps'\n"
        "!notice config-source-line     3 | Force_Fsync = perhaps\n"
        "!notice config-source-line       |               ^~~~~~~\n"
        "=1 failed gen=1\n"s,
        console("config reload"));
    CPPUNIT_ASSERT_EQUAL(" Hostname = mx.example.com\n=0 ok gen=1\n"s, console("config get hostname"));
    const std::string json = console("--json config reload --check");
    CPPUNIT_ASSERT(json.find("config-source-line") == std::string::npos);
    CPPUNIT_ASSERT_EQUAL("=1 failed gen=1 checked=1"s, status_of(json));
  }
  void reload_check_changes_nothing() {
    Console console;
    console.system.files["impulse.conf"] += "Nodename = other\n";
    const std::string reply = console("config reload --check");
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1 changes=1 checked=1"s, status_of(reply));
    CPPUNIT_ASSERT(reply.find("!notice config-restart-needed 1 of these changes waits for a restart\n") !=
                   std::string::npos);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, console.system.engine().current()->generation());
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("config get nodename")));
  }
  void reload_drops_edits() {
    Console console;
    console("config set esmtp_listener idle_time 7m");
    CPPUNIT_ASSERT_EQUAL(
        " esmtp_listener: Idle_Time 7m -> 2m (next-message)\n"
        "!notice config-edit-dropped would be dropped: esmtp_listener: Idle_Time 2m -> 7m (next-message)\n"
        "=0 ok gen=2 changes=1 checked=1\n"s,
        console("config reload --check"));
    CPPUNIT_ASSERT_EQUAL(
        " esmtp_listener: Idle_Time 7m -> 2m (next-message)\n"
        "!notice config-edit-dropped dropped: esmtp_listener: Idle_Time 2m -> 7m (next-message)\n"
        "=0 ok gen=3 changes=1\n"s,
        console("config reload"));
  }
  void refused_by_a_participant() {
    // What cannot be acquired (an address in use) leaves everything as it was.
    struct Refusing : config::Participant {
      bool refuse = false;
      Errc code = Errc::exists;
      Result<> prepare(const config::SnapshotPtr&, const config::SnapshotPtr&) override {
        if (refuse) return fail(code, "cannot listen on *:26: Address already in use");
        return {};
      }
      void apply(const config::SnapshotPtr&) noexcept override {}
    } refusing;
    Console console;
    console.system.engine().add_participant(refusing);
    refusing.refuse = true;
    const std::string reply = console("config set esmtp_listener listen :26 enable true");
    CPPUNIT_ASSERT_MESSAGE(reply, reply.find("cannot listen on *:26: Address already in use\n") != std::string::npos);
    CPPUNIT_ASSERT_MESSAGE(reply, reply.starts_with("!error config-refused "));
    CPPUNIT_ASSERT_EQUAL("=1 failed gen=1"s, status_of(reply));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("config show esmtp_listener listen :26")));
    // Whatever the cause: nothing was looked up, and the client may ask.
    for (const Errc code : {Errc::not_found, Errc::denied, Errc::io, Errc::no_space, Errc::unavailable}) {
      refusing.code = code;
      CPPUNIT_ASSERT_EQUAL("=1 failed gen=1"s, status_of(console("config set esmtp_listener listen :26 enable true")));
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ConfigCommandsTest);

}  // namespace
