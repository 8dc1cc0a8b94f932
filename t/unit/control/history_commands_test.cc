// The history, what the file would change, and where things stand, from the
// console over a real engine; golden answers.
#include "fake_system.h"

#include "base/text.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;

namespace {

class HistoryCommandsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HistoryCommandsTest);
  CPPUNIT_TEST(history_and_revert);
  CPPUNIT_TEST(diff_of_generations);
  CPPUNIT_TEST(drift);
  CPPUNIT_TEST(reload_another_file);
  CPPUNIT_TEST(locate);
  CPPUNIT_TEST(locate_wrong);
  CPPUNIT_TEST(locate_among_many);
  CPPUNIT_TEST(certificate);
  CPPUNIT_TEST_SUITE_END();

  void history_and_revert() {
    Console console;
    console("config set hostname x.example");
    console("config begin");
    console("config set esmtp_listener idle_time 9");
    console("config set esmtp_listener listen :26 enable false");
    console("config commit");
    const std::string shown = console("config history");
    const auto lines = split(shown, '\n');
    CPPUNIT_ASSERT_EQUAL_MESSAGE(shown, size_t{5}, lines.size());
    CPPUNIT_ASSERT_MESSAGE(shown,
                           lines[0].starts_with("        1  20") && lines[0].find("start-up") != std::string::npos);
    CPPUNIT_ASSERT_MESSAGE(shown, lines[1].ends_with("Z  console: alice: set, 1 change"));
    CPPUNIT_ASSERT_MESSAGE(shown,
                           lines[2].starts_with(" ->     3  20") && lines[2].ends_with("alice: commit, 2 changes"));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=3"s, std::string(lines[3]));
    CPPUNIT_ASSERT_EQUAL(" esmtp_listener: Idle_Time 9s -> 2m (next-message)\n"s,
                         console("config revert 2").substr(0, 51));
    CPPUNIT_ASSERT_EQUAL(" Hostname = x.example\n=0 ok gen=4\n"s, console("config get hostname"));
    CPPUNIT_ASSERT_EQUAL(
        "!error config-no-generation generation 77 is not in the history, which holds 1 to 4\n"
        "=3 not-found\n"s,
        console("config revert 77"));
    const std::string json = console("--json config history");
    ASSERT_HOLDS(json, "\"by\":\"console: alice\",\"what\":\"revert to 2\",\"changes\":2,\"running\":true}\n");
  }
  void diff_of_generations() {
    Console console;
    console("config set hostname x.example");
    console("config set hostname y.example");
    CPPUNIT_ASSERT_EQUAL(" global: Hostname mx.example.com -> x.example (next-session)\n=0 ok gen=3 changes=1\n"s,
                         console("config diff 1 2"));
    CPPUNIT_ASSERT_EQUAL(" global: Hostname mx.example.com -> y.example (next-session)\n=0 ok gen=3 changes=1\n"s,
                         console("config diff 1"));
    CPPUNIT_ASSERT_EQUAL(" global: Hostname y.example -> x.example (next-session)\n=0 ok gen=3 changes=1\n"s,
                         console("config diff 3 2"));
    CPPUNIT_ASSERT_EQUAL("=0 unchanged gen=3\n"s, console("config diff 3"));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("config diff 1 4")));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("config diff 99999999999")));
  }
  void drift() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=0 unchanged gen=1\n"s, console("config drift"));
    console("config set hostname x.example");
    CPPUNIT_ASSERT_EQUAL(" global: Hostname mx.example.com -> x.example (next-session)\n=0 ok gen=2 changes=1\n"s,
                         console("config drift"));
    console.system.files["impulse.conf"] = "Hostname = {\n";
    const std::string broken = console("config drift");
    CPPUNIT_ASSERT_EQUAL_MESSAGE(broken, '1', status_of(broken)[1]);
    ASSERT_HOLDS(broken, "!error config-");
  }
  void reload_another_file() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config reload other.conf")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config reload /a /b")));
    CPPUNIT_ASSERT_EQUAL("=1 failed gen=1"s, status_of(console("config reload /other.conf")));
    CPPUNIT_ASSERT_EQUAL("impulse.conf"s, console.system.engine().file());
    console.system.files["/other.conf"] = FakeSystem::default_configuration + "Nodename = n7\n";
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1 changes=1 checked=1"s, status_of(console("config reload --check /other.conf")));
    CPPUNIT_ASSERT_EQUAL("impulse.conf"s, console.system.engine().file());
    const std::string reply = console("config reload /other.conf");
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=2 changes=1"s, status_of(reply));
    CPPUNIT_ASSERT(!reply.contains("config-older-sessions"));
    ASSERT_HOLDS(reply, "!notice config-file the configuration file is /other.conf from now on\n");
    CPPUNIT_ASSERT_EQUAL("/other.conf"s, console.system.engine().file());
    // What waits since then is told again.
    CPPUNIT_ASSERT_EQUAL(
        "!notice config-restart-needed still waits for a restart: global: Nodename \"\" -> n7 (restart)\n"
        "=0 unchanged gen=2\n"s,
        console("config reload"));
    // Who is in the middle of a message goes on as before for now.
    console.system.generations = {{1, 2}, {2, 3}, {3, 4}};
    console.system.files["/other.conf"] = FakeSystem::default_configuration;
    const std::string older = console("config reload");
    ASSERT_HOLDS(older,
                 "!notice config-older-sessions 5 sessions work under an older generation, from 1 on; 'show inbound' "
                 "tells which\n");
  }
  void locate() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(
        " Listen \"*:25\"\n   is at ESMTP_Listener::Listen:*\\:25:\n"
        " Listen \"127.0.0.1:587\"\n   is at ESMTP_Listener::Listen:127.0.0.1\\:587:\n"
        " Listen \"/run/impulse/control\"\n   is at Control_Listener::Listen:/run/impulse/control:\n"
        "=0 ok gen=1\n"s,
        console("config locate listen"));
    CPPUNIT_ASSERT_EQUAL(" Peer \"10.0.0.1\"\n   is at ESMTP_Listener::Listen:*\\:25:Peer:10.0.0.1:\n=0 ok gen=1\n"s,
                         console("config locate Peer \"0[.]1$\""));
    CPPUNIT_ASSERT_EQUAL(" Control_Listener\n   is at Control_Listener::\n=0 ok gen=1\n"s,
                         console("config locate control_listener"));
    CPPUNIT_ASSERT_EQUAL(" Domain \"example.com\"\n   is at Domain:example.com:\n=0 ok gen=1\n"s,
                         console("config locate domain EX.+"));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1\n"s, console("config locate domain nothing"));
    CPPUNIT_ASSERT_EQUAL(
        " {\"scope\":\"domain "
        "example.com\",\"kind\":\"Domain\",\"instance\":\"example.com\",\"location\":\"Domain:example"
        ".com:\",\"origin\":\"impulse.conf:14:1\"}\n=0 ok gen=1\n"s,
        console("--json config locate domain"));
    console("config begin");
    console("config set domain new.example gateway 192.0.2.1");
    ASSERT_HOLDS(console("config locate domain new"), "Domain \"new.example\"\n");
  }
  void locate_wrong() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config locate")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config locate listen a b")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config locate ( listen )")));
    CPPUNIT_ASSERT_EQUAL(
        "!error config-unknown-scope console:1:15: no scope is called 'lisen'; did you mean 'Listen'?\n=1 failed\n"s,
        console("config locate lisen"));
    const std::string bad = console("config locate listen \"a(\"");
    ASSERT_HOLDS(bad, "!error config-bad-pattern console:1:22: not a regular expression: ");
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(bad));
  }
  void locate_among_many() {
    std::string text = "ESMTP_Listener {\n";
    for (int i = 0; i < 20000; ++i) text += fmt::format("Peer 10.{}.{}.0/24 {{ }}\n", i / 256, i % 256);
    Console console(text + "}\n");
    CPPUNIT_ASSERT(console.system.loaded.ok);
    CPPUNIT_ASSERT_EQUAL(" Peer \"10.78.31.0/24\"\n   is at ESMTP_Listener::Peer:10.78.31.0/24:\n=0 ok gen=1\n"s,
                         console("config locate peer \"^10[.]78[.]31[.]\""));
    const std::string all = console("config locate peer");
    CPPUNIT_ASSERT_EQUAL(static_cast<std::ptrdiff_t>(40001), std::count(all.begin(), all.end(), '\n'));
  }
  void certificate() {
    Console console;
    const std::string one = console("config set certificate web tls_key /etc/key.pem");
    if (status_of(one)[1] == '0') return;  // whatever makes a Certificate of parts is fine, too
    ASSERT_HOLDS(one, "!notice config-use-transaction a certificate and its key are made and exchanged together");
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(HistoryCommandsTest);

}  // namespace
