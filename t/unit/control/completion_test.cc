// Completion: what is offered at the end of an unfinished line, and its help.
#include "control/completion.h"
#include "control/limits.h"
#include "fake_system.h"

#include "base/text.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;

namespace {

class CompletionTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(CompletionTest);
  CPPUNIT_TEST(commands);
  CPPUNIT_TEST(scopes_and_options);
  CPPUNIT_TEST(instances);
  CPPUNIT_TEST(values);
  CPPUNIT_TEST(others);
  CPPUNIT_TEST(nothing);
  CPPUNIT_TEST(quotes);
  CPPUNIT_TEST(messages);
  CPPUNIT_TEST(names_of_the_daemon);
  CPPUNIT_TEST(synopsis);
  CPPUNIT_TEST(bindings);
  CPPUNIT_TEST(selectors);
  CPPUNIT_TEST(help_lines);
  CPPUNIT_TEST(cut);
  CPPUNIT_TEST(over_the_protocol);
  CPPUNIT_TEST_SUITE_END();

  Console console;

  std::string at(std::string_view line) {
    std::string words;
    for (const Candidate& candidate : completions(console.table, console.system, line).found)
      words += (words.empty() ? "" : " ") + candidate.word;
    return words;
  }
  // The help of the one candidate.
  std::string help_at(std::string_view line) {
    const Candidates candidates = completions(console.table, console.system, line);
    CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(line), size_t{1}, candidates.found.size());
    return candidates.found.front().help;
  }
  // A command with flags, alternatives and named words.
  std::string of_synopsis(std::string_view line) {
    const Command rows[] = {{"deploy it", "start|stop [from scratch] [name=NAME] [--limit N] [--check]", "", "",
                             Argument::nothing, false, nullptr}};
    std::string words;
    for (const Candidate& candidate : completions(CommandTable(rows), console.system, line).found)
      words += (words.empty() ? "" : " ") + candidate.word;
    return words;
  }
  void commands() {
    CPPUNIT_ASSERT_EQUAL("version"s, at("ver"));
    CPPUNIT_ASSERT_EQUAL("set show showrecurse"s, at("config s"));
    CPPUNIT_ASSERT_EQUAL("set show showrecurse"s, at("CONFIG S"));
    CPPUNIT_ASSERT_EQUAL("set show showrecurse"s, at("--json config s"));
    for (const auto word : {"eval", "explain", "get", "reload", "set", "show", "showrecurse", "unset"})
      CPPUNIT_ASSERT_MESSAGE(word, words(at("config " + std::string(word))).front() == word);
    CPPUNIT_ASSERT_EQUAL("config"s, at("config"));
    CPPUNIT_ASSERT(at("").find("complete config ") != std::string::npos);
  }
  void scopes_and_options() {
    CPPUNIT_ASSERT_EQUAL("ESMTP_Listener"s, at("config set esmtp_l"));
    CPPUNIT_ASSERT_EQUAL("Listen Listen_Backlog Listener_Sessions"s, at("config set esmtp_listener listen"));
    CPPUNIT_ASSERT_EQUAL("Listen"s, at("config showrecurse esmtp_listener l"));
    CPPUNIT_ASSERT_EQUAL("Idle_Time"s, at("config eval esmtp_listener listen :25 idle"));
    CPPUNIT_ASSERT_EQUAL(""s, at("config eval esmtp_listener listen :25 spoolb"));  // global only
    CPPUNIT_ASSERT_EQUAL("Spoolbase"s, at("config eval spoolb"));
    CPPUNIT_ASSERT_EQUAL(""s, at("config set auth_requires"));  // not in this version
  }
  void instances() {
    CPPUNIT_ASSERT_EQUAL("*:25 127.0.0.1:587"s, at("config set esmtp_listener listen "));
    CPPUNIT_ASSERT_EQUAL(":25"s, at("config set esmtp_listener listen :"));
    CPPUNIT_ASSERT_EQUAL("127.0.0.1:587"s, at("config set esmtp_listener listen 12"));
    CPPUNIT_ASSERT_EQUAL("10.0.0.1"s, at("config set esmtp_listener listen *:25 peer "));
    CPPUNIT_ASSERT_EQUAL("example.com"s, at("config show domain ex"));
    console("config set esmtp_listener listen [::1]:2525 enable false");
    CPPUNIT_ASSERT_EQUAL("\"[::1]:2525\""s, at("config set esmtp_listener listen [:"));
  }
  void values() {
    CPPUNIT_ASSERT_EQUAL("false true"s, at("config set esmtp_listener listen :25 enable "));
    CPPUNIT_ASSERT_EQUAL("false"s, at("config set esmtp_listener listen :25 enable = f"));
    CPPUNIT_ASSERT_EQUAL("maildir"s, at("config set delivery_method mail"));
    CPPUNIT_ASSERT_EQUAL("2m"s, at("config set esmtp_listener listen :25 idle_time "));
    CPPUNIT_ASSERT_EQUAL(""s, at("config eval esmtp_listener listen :25 idle_time "));
    CPPUNIT_ASSERT_EQUAL(""s, at("config set tls_key_password "));
  }
  void others() {
    CPPUNIT_ASSERT_EQUAL("--check"s, at("config reload "));
    console.system.domains = {{"b.example", 1, 0, 0}, {"a.example", 1, 0, 0}};
    CPPUNIT_ASSERT_EQUAL("a.example b.example"s, at("mailq "));
    CPPUNIT_ASSERT_EQUAL("config"s, at("help conf"));
    CPPUNIT_ASSERT_EQUAL("reload"s, at("help config rel"));
    CPPUNIT_ASSERT_EQUAL("Idle_Time Idle_Timeout"s, at("help idle"));
  }
  void nothing() {
    for (const auto line : {"nonsense ", "config set nonsense ", "config set esmtp_listener listen nonsense ena",
                            "version ", "pid x", "config reload --check ", "config set esmtp_listener idle_time 5 "})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, ""s, at(line));
  }
  void quotes() {
    CPPUNIT_ASSERT_EQUAL("*:25"s, at("config set esmtp_listener listen \"*"));
    CPPUNIT_ASSERT_EQUAL("SMTP_Extensions SMTP_Protocols"s, at("config set esmtp_listener listen \"*:25\" smtp"));
    CPPUNIT_ASSERT_EQUAL(""s, at("config set static_banner \"open quote "));
  }
  void messages() {
    for (const auto id : {"00000001/00000200-n1", "00000001/00000300-n1", "00000002/00000000-n1"}) {
      QueuedRecipient row;
      row.id = id;
      row.sender = "a@example.net";
      row.recipient = "b@example.com";
      row.domain = "example.com";
      console.system.recipients.push_back(row);
    }
    console.system.domains = {{"example.com", 3, 0, 0}};
    CPPUNIT_ASSERT_EQUAL("00000001/00000200-n1 00000001/00000300-n1"s, at("message details 00000001"));
    CPPUNIT_ASSERT_EQUAL("a@example.net to b@example.com"s, help_at("message details 00000002"));
    CPPUNIT_ASSERT_EQUAL(""s, at("message details 00000002/00000000-n1 "));
  }
  void names_of_the_daemon() {
    CPPUNIT_ASSERT_EQUAL("smtp"s, at("debug_flags sm"));
    CPPUNIT_ASSERT_EQUAL("warning"s, at("debug_flags smtp w"));
    CPPUNIT_ASSERT_EQUAL(""s, at("debug_flags smtp warning "));
    const auto counter = telemetry::counter_defs().front();
    CPPUNIT_ASSERT(at("counter show ").find(counter.name) != std::string::npos);
    InboundSession session;
    session.id = 4711;
    session.peer = "192.0.2.1:99";
    session.listener = "*:25";
    session.state = "rcpt";
    console.system.sessions.push_back(session);
    CPPUNIT_ASSERT_EQUAL("4711"s, at("session kill "));
    CPPUNIT_ASSERT_EQUAL("192.0.2.1:99 at *:25, rcpt"s, help_at("session kill 47"));
  }
  void synopsis() {
    CPPUNIT_ASSERT_EQUAL("from name= scratch start stop"s, of_synopsis("deploy it "));
    CPPUNIT_ASSERT_EQUAL("from name= scratch stop"s, of_synopsis("deploy it start "));
    CPPUNIT_ASSERT_EQUAL("--check --limit"s, of_synopsis("deploy it start -"));
    CPPUNIT_ASSERT_EQUAL("--check"s, of_synopsis("deploy it --limit 5 --"));
    CPPUNIT_ASSERT_EQUAL(""s, of_synopsis("deploy it --limit "));
    CPPUNIT_ASSERT_EQUAL("--check --limit"s, of_synopsis("deploy it name=x start stop from scratch "));
  }
  void bindings() {
    console("config set binding b1 max_retries 3");
    console("config set binding_group g binding b2 max_retries 3");
    console.system.domains = {{"a.example", 1, 0, 0}};
    for (const auto line : {"suspend binding ", "resume binding ", "mailq --binding ", "rebind b1 to "})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, "b1 b2 default"s, at(line));
    for (const auto line : {"flush domain binding ", "showqueue binding ", "fail domain --dry-run binding "})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, "all b1 b2 default"s, at(line));
    CPPUNIT_ASSERT_EQUAL("b1 b2 default group:g"s, at("binding summary "));
    for (const auto line : {"binding active ", "binding delayed ", "delay 5 --binding "})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, "b1 b2 default"s, at(line));
    CPPUNIT_ASSERT_EQUAL("all b1 b2 default"s, at("binding flush domain "));
    CPPUNIT_ASSERT_EQUAL("b1 b2"s, at("binding fail domain quiet --meta key value b"));
    CPPUNIT_ASSERT_EQUAL("a.example all"s, at("binding fail domain b1 a"));
    CPPUNIT_ASSERT_EQUAL("all b1 b2 default to"s, at("rebind "));
    CPPUNIT_ASSERT_EQUAL("b1 b2"s, at("rebind --sender x b"));
    CPPUNIT_ASSERT_EQUAL("a.example all to"s, at("rebind b1 "));
    CPPUNIT_ASSERT_EQUAL("of g"s, help_at("suspend binding b2"));
    // What follows them is a domain; a queue is named by one of these words only.
    CPPUNIT_ASSERT_EQUAL("a.example"s, at("suspend binding b1 "));
    CPPUNIT_ASSERT_EQUAL("a.example"s, at("suspend domain "));
    CPPUNIT_ASSERT_EQUAL("a.example binding domain"s, at("suspend "));
    CPPUNIT_ASSERT_EQUAL("a.example all"s, at("flush domain binding b1 a"));
  }
  void selectors() {
    console.system.domains = {{"a.example", 1, 0, 0}};
    CPPUNIT_ASSERT_EQUAL("--dry-run --header --meta --older --recipient --remove --sender"s,
                         at("spool export /tmp/x --"));
    CPPUNIT_ASSERT_EQUAL("a.example"s, at("spool export --remove /tmp/x "));
    CPPUNIT_ASSERT_EQUAL("--recipient --remove"s, at("spool export /tmp/x --sender a --re"));
    CPPUNIT_ASSERT_EQUAL(""s, at("spool export /tmp/x --sender "));
    CPPUNIT_ASSERT_EQUAL("--dry-run"s, at("spool import /tmp/x --"));
    CPPUNIT_ASSERT_EQUAL("--dry-run --header --meta --older --recipient --sender"s, at("fail domain --"));
    CPPUNIT_ASSERT_EQUAL("--header --meta --older --recipient --sender"s, at("fail all --dry-run --"));
    // A value of one word, or of two.
    for (const auto line :
         {"fail domain --meta ", "fail domain --meta key ", "fail domain --header Subject ", "hold domain --older "})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, ""s, at(line));
    for (const auto line :
         {"fail domain --meta key value a", "fail domain --meta key=value a", "delay 5 --domain ", "mailq --domain "})
      CPPUNIT_ASSERT_MESSAGE(line, words(at(line)).front() == "a.example");
    CPPUNIT_ASSERT_EQUAL("--binding --domain --dry-run --header --meta --older --recipient --sender"s, at("delay 5 "));
  }
  void help_lines() {
    CPPUNIT_ASSERT_EQUAL("the daemon's version"s, help_at("vers"));
    CPPUNIT_ASSERT(help_at("confi").find("explain, ") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(std::string(config::find_scope("esmtp_listener")->help), help_at("config show esmtp_l"));
    CPPUNIT_ASSERT_EQUAL(std::string(config::find_option("idle_time")->help),
                         help_at("config eval esmtp_listener listen :25 idle"));
    CPPUNIT_ASSERT_EQUAL("in force now"s, help_at("config set esmtp_listener listen 127.0.0.1:587 enable f"));
    CPPUNIT_ASSERT_EQUAL("in force now"s, help_at("config set esmtp_listener listen :25 idle_time "));
    console.system.domains = {{"b.example", 3, 2, 1}};
    CPPUNIT_ASSERT_EQUAL("3 due, 2 delayed, 1 in delivery"s, help_at("mailq b"));
  }
  void cut() {
    for (int i = 0; i < 1500; ++i) console.system.domains.push_back({fmt::format("d{}.example", i), 1, 0, 0});
    const Candidates found = completions(console.table, console.system, "mailq d");
    CPPUNIT_ASSERT_EQUAL(max_candidates, found.found.size());
    CPPUNIT_ASSERT(found.cut);
    CPPUNIT_ASSERT_EQUAL("=0 ok candidates=1000 cut=1"s, status_of(console("complete mailq d")));
    CPPUNIT_ASSERT_EQUAL("=0 ok candidates=1"s, status_of(console("complete mailq d1234")));
  }
  void over_the_protocol() {
    CPPUNIT_ASSERT_EQUAL(" set\n show\n showrecurse\n=0 ok candidates=3\n"s, console("complete config s"));
    CPPUNIT_ASSERT_EQUAL(" false\n true\n=0 ok candidates=2\n"s,
                         console("complete config set control_listener enable "));
    CPPUNIT_ASSERT_EQUAL(" *:25\n=0 ok candidates=1 @t\n"s,
                         console("@t complete config get esmtp_listener listen \"*"));
    CPPUNIT_ASSERT_EQUAL(" {\"word\":\"version\",\"help\":\"the daemon's version\"}\n=0 ok candidates=1\n"s,
                         console("--json complete ver"));
    CPPUNIT_ASSERT_EQUAL(status_of(console("complete ")), status_of(console("complete")));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(CompletionTest);

}  // namespace
