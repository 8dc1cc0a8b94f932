// Transactions from the console, over a real engine; golden answers, and two
// sessions that race.
#include "fake_system.h"

#include "base/text.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;

namespace {

// Another session on the same daemon.
struct Other {
  explicit Other(Console& console, std::string user = "bob") {
    PeerIdentity peer;
    peer.uid = 1001;
    peer.user = std::move(user);
    peer.via = "/run/impulse/control";
    session = std::make_unique<Session>(console.system, console.table, peer, About{"1.2.3", test_now},
                                        [&console](const PeerIdentity& who, std::string_view line, const Status&) {
                                          console.audited.push_back(who.to_string() + ": " + std::string(line));
                                        });
    drain();
  }
  std::string drain() {
    std::string out;
    while (session->produce(out, 1 << 20)) continue;
    return out;
  }
  std::string operator()(std::string_view line) {
    const std::string bytes = std::string(line) + "\n";
    std::string_view left = bytes;
    std::string out;
    while (!left.empty()) {
      left.remove_prefix(session->feed(left));
      out += drain();
    }
    return out;
  }
  std::unique_ptr<Session> session;
};

class TransactionCommandsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TransactionCommandsTest);
  CPPUNIT_TEST(begin_set_commit);
  CPPUNIT_TEST(edits_wait_for_the_commit);
  CPPUNIT_TEST(looks_show_the_candidate);
  CPPUNIT_TEST(eval_of_what_does_not_compile);
  CPPUNIT_TEST(begin_wrong);
  CPPUNIT_TEST(without_a_transaction);
  CPPUNIT_TEST(from_scratch);
  CPPUNIT_TEST(rollback);
  CPPUNIT_TEST(replay);
  CPPUNIT_TEST(replay_hides_secrets);
  CPPUNIT_TEST(diff_and_check);
  CPPUNIT_TEST(a_refused_edit_leaves_the_rest);
  CPPUNIT_TEST(a_refused_commit_stays_open);
  CPPUNIT_TEST(conflict_names_the_winner);
  CPPUNIT_TEST(disjoint_changes_both_succeed);
  CPPUNIT_TEST(rebase);
  CPPUNIT_TEST(commit_confirm);
  CPPUNIT_TEST(busy_inside);
  CPPUNIT_TEST(named);
  CPPUNIT_TEST(named_that_has_ended);
  CPPUNIT_TEST(end_of_session);
  CPPUNIT_TEST_SUITE_END();

  void begin_set_commit() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1 edits=0\n"s, console("config begin"));
    CPPUNIT_ASSERT_EQUAL(
        " esmtp_listener: Idle_Time 2m -> 3m (next-message)\n"
        "!notice config-staged not in force: 1 edit in the transaction; 'config commit' puts it into force\n"
        "=0 staged gen=1 edits=1\n"s,
        console("config set esmtp_listener idle_time 180"));
    CPPUNIT_ASSERT_EQUAL(
        " global: Hostname mx.example.com -> other.example (next-session)\n"
        "!notice config-staged not in force: 2 edits in the transaction; 'config commit' puts them into force\n"
        "=0 staged gen=1 edits=2\n"s,
        console("config set hostname = other.example"));
    const std::string reply = console("config commit");
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=2 changes=2"s, status_of(reply));
    ASSERT_HOLDS(reply, " esmtp_listener: Idle_Time 2m -> 3m (next-message)\n");
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("config commit")));
    CPPUNIT_ASSERT_EQUAL(" Idle_Time = 3m\n=0 ok gen=2\n"s, console("config get esmtp_listener idle_time"));
    // An empty one is committed, and changes nothing.
    console("config begin");
    CPPUNIT_ASSERT_EQUAL("=0 unchanged gen=2\n"s, console("config commit"));
  }
  void edits_wait_for_the_commit() {
    Console console;
    Other other(console);
    console("config begin");
    console("config set esmtp_listener idle_time 180");
    console("config set esmtp_listener listen :26 enable true");
    CPPUNIT_ASSERT_EQUAL(" Idle_Time = 2m\n=0 ok gen=1\n"s, other("config get esmtp_listener idle_time"));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(other("config show esmtp_listener listen :26")));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, console.system.engine().current()->generation());
    // ":26" names the Listen that is there in the candidate.
    CPPUNIT_ASSERT_EQUAL(" Enable = true\n=0 ok gen=1 edits=2\n"s,
                         console("config get esmtp_listener listen *:26 enable"));
  }
  void looks_show_the_candidate() {
    Console console;
    console("config begin");
    console("config set esmtp_listener idle_time 180");
    CPPUNIT_ASSERT_EQUAL(" Idle_Time = 3m\n=0 ok gen=1 edits=1\n"s, console("config get esmtp_listener idle_time"));
    CPPUNIT_ASSERT_EQUAL(" Idle_Time = 3m\n=0 ok gen=1 edits=1\n"s,
                         console("config eval esmtp_listener listen :25 idle_time"));
    const std::string ladder = console("config explain esmtp_listener listen :25 idle_time");
    ASSERT_HOLDS(ladder, "-> ESMTP_Listener = 3m  (console: alice:1:27)\n");
    ASSERT_HOLDS(console("config show esmtp_listener"), "Idle_Time = 3m\n");
    ASSERT_HOLDS(console("config showrecurse"), "Idle_Time = 3m\n");
    console("config unset esmtp_listener idle_time");
    CPPUNIT_ASSERT_EQUAL(" Idle_Time = 5m\n=0 ok gen=1 edits=2\n"s, console("config eval esmtp_listener idle_time"));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("config unset esmtp_listener idle_time")));
    CPPUNIT_ASSERT_EQUAL(" Idle_Time = 2m\n=0 ok gen=1\n"s, Other(console)("config get esmtp_listener idle_time"));
  }
  void eval_of_what_does_not_compile() {
    Console console;
    console("config begin");
    console("config set esmtp_listener tls_certificate web");
    const std::string reply = console("config eval esmtp_listener idle_time");
    ASSERT_HOLDS(
        reply,
        "!warning config-candidate-incomplete the transaction cannot be committed as it is; this is what runs\n");
    ASSERT_HOLDS(reply, "!notice config-candidate-incomplete ");
    ASSERT_HOLDS(reply, " Idle_Time = 2m\n=0 ok gen=1 edits=1\n");
  }
  void begin_wrong() {
    Console console;
    for (const auto line : {"config begin from", "config begin scratch", "config begin name=", "config begin name=a/b",
                            "config begin ttl=60", "config begin name=a ttl=soon", "config begin name=a ttl=0",
                            "config begin name=a name=b", "config begin ( name )", "config begin x"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, "=2 usage"s, status_of(console(line)));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config begin name=" + std::string(65, 'a'))));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1 edits=0"s, status_of(console("config begin")));
    CPPUNIT_ASSERT_EQUAL(
        "!error config-in-transaction this session has a transaction open: commit it or roll it back first\n"
        "=7 busy\n"s,
        console("config begin"));
    CPPUNIT_ASSERT_EQUAL("=7 busy"s, status_of(console("config attach other")));
  }
  void without_a_transaction() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(
        "!error config-no-transaction no transaction is open: nothing to commit; 'config begin' opens one\n"
        "=3 not-found\n"s,
        console("config commit"));
    for (const auto line : {"config rollback", "config replay", "config rebase", "config diff", "config detach",
                            "config confirm", "config attach deploy"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, "=3 not-found"s, status_of(console(line)));
    for (const auto line : {"config rollback x",
                            "config replay x",
                            "config rebase x",
                            "config detach x",
                            "config confirm x",
                            "config commit x",
                            "config commit confirm",
                            "config commit confirm 0",
                            "config commit confirm 1 2",
                            "config commit confirm soon",
                            "config attach",
                            "config attach a b",
                            "config history x",
                            "config drift x",
                            "config check x",
                            "config diff x",
                            "config diff 1 2 3",
                            "config revert",
                            "config revert x",
                            "config revert 1 2"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, "=2 usage"s, status_of(console(line)));
  }
  void from_scratch() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1 edits=0"s, status_of(console("config begin from scratch")));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("config get hostname")));
    console("config set hostname new.example");
    console("config set control_listener listen /run/impulse/control enable true");
    CPPUNIT_ASSERT(status_of(console("config commit")).starts_with("=0 ok gen=2 changes="));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("config show esmtp_listener")));
    CPPUNIT_ASSERT_EQUAL(" Hostname = new.example\n=0 ok gen=2\n"s, console("config get hostname"));
  }
  void rollback() {
    Console console;
    console("config begin");
    console("config set hostname x.example");
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1 dropped=1\n"s, console("config rollback"));
    CPPUNIT_ASSERT_EQUAL(" Hostname = mx.example.com\n=0 ok gen=1\n"s, console("config get hostname"));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=2 changes=1"s, status_of(console("config set hostname y.example")));  // live again
  }
  void replay() {
    Console console;
    console("config begin");
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1 edits=0\n"s, console("config replay"));
    console("config set esmtp_listener listen :25 enable false");
    console("config set relay_hosts ( 10.0.0.0/8 192.0.2.1 )");
    console("config unset domain example.com");
    console("config eval hostname");  // a look is no edit
    CPPUNIT_ASSERT_EQUAL(
        " config set esmtp_listener listen *:25 Enable = false\n"
        " config set Relay_Hosts = ( 10.0.0.0/8 192.0.2.1 )\n"
        " config unset domain example.com\n"
        "=0 ok gen=1 edits=3\n"s,
        console("config replay"));
    // They can be typed again.
    const std::string shown = console("config replay");
    Other other(console);
    other("config begin");
    for (const std::string_view line : split(shown, '\n'))
      if (line.starts_with(' ')) {
        const std::string reply = other(line.substr(1));
        CPPUNIT_ASSERT_MESSAGE(reply, status_of(reply).starts_with("=0 staged "));
      }
    CPPUNIT_ASSERT_EQUAL(shown, other("config replay"));
    CPPUNIT_ASSERT_EQUAL(
        " {\"operation\":\"set\",\"scope\":\"esmtp_listener listen *:25\",\"option\":\"Enable\",\"command\":\"config "
        "set "
        "esmtp_listener listen *:25 Enable = false\"}"s,
        console("--json config replay").substr(0, console("--json config replay").find('\n')));
  }
  void replay_hides_secrets() {
    Console console;
    console("config begin");
    const std::string set = console("config set tls_key_password hunter2");
    CPPUNIT_ASSERT_MESSAGE(set, status_of(set).starts_with("=0 staged"));
    for (const auto line : {"config replay", "config diff", "config get tls_key_password", "config check",
                            "config showrecurse", "config commit", "config history", "config drift", "config diff 1"})
      for (const auto mode : {"--json ", ""}) {
        const std::string reply = console(mode + std::string(line));
        CPPUNIT_ASSERT_MESSAGE(reply, reply.find("hunter2") == std::string::npos);
      }
    for (const std::string& line : console.audited)
      CPPUNIT_ASSERT_MESSAGE(line, line.find("hunter2") == std::string::npos);
  }
  void diff_and_check() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=0 unchanged gen=1 checked=1\n"s, console("config check"));
    console("config begin");
    CPPUNIT_ASSERT_EQUAL("=0 unchanged gen=1 edits=0\n"s, console("config diff"));
    console("config set nodename n2");
    console("config set nodename n3");
    CPPUNIT_ASSERT_EQUAL(" global: Nodename (unset) -> n3 (restart)\n=0 ok gen=1 edits=2 changes=1\n"s,
                         console("config diff"));
    CPPUNIT_ASSERT_EQUAL(
        " global: Nodename (unset) -> n3 (restart)\n"
        "!notice config-restart-needed 1 of these changes waits for a restart\n"
        "=0 ok gen=1 changes=1 checked=1\n"s,
        console("config check"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, console.system.engine().current()->generation());
    console("config set esmtp_listener tls_certificate nobody");
    const std::string wrong = console("config check");
    ASSERT_HOLDS(wrong, "!error config-dangling-reference ");
    CPPUNIT_ASSERT_EQUAL("=1 failed gen=1 checked=1"s, status_of(wrong));
    // Without a transaction it is the file that is checked.
    console("config rollback");
    console.system.files["impulse.conf"] += "Nonsense = 1\n";
    const std::string file = console("config check");
    ASSERT_HOLDS(file, "!error config-unknown-option impulse.conf:");
  }
  void a_refused_edit_leaves_the_rest() {
    Console console;
    console("config begin");
    console("config set hostname good.example");
    const std::string reply = console("config set esmtp_listener idle_time soon");
    ASSERT_HOLDS(reply, "!error config-bad-value console:1:37: ");
    CPPUNIT_ASSERT_EQUAL("=1 failed gen=1 edits=1"s, status_of(reply));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=2 changes=1"s, status_of(console("config commit")));
  }
  void a_refused_commit_stays_open() {
    Console console;
    console("config begin");
    console("config set esmtp_listener tls_certificate nobody");
    const std::string reply = console("config commit");
    ASSERT_HOLDS(reply, "!error config-dangling-reference ");
    ASSERT_HOLDS(reply, "!notice config-transaction-open ");
    CPPUNIT_ASSERT_EQUAL("=1 failed gen=1"s, status_of(reply));
    console("config unset esmtp_listener tls_certificate");
    CPPUNIT_ASSERT_EQUAL("=0 unchanged gen=1"s, status_of(console("config commit")));
  }
  void conflict_names_the_winner() {
    Console console;
    Other other(console);
    console("config begin");
    other("config begin");
    console("config set esmtp_listener listen :25 idle_time 11");
    console("config set hostname loser.example");
    other("config set esmtp_listener listen :25 idle_time 22");
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=2 changes=1"s, status_of(other("config commit")));
    for (int again = 0; again < 2; ++again) {
      const std::string reply = console("config commit");
      CPPUNIT_ASSERT_MESSAGE(reply, reply.starts_with("!error config-conflict generation 2 (console: bob, "));
      ASSERT_HOLDS(reply, ") changed the same: esmtp_listener listen *:25\n");
      ASSERT_HOLDS(reply, "!notice config-transaction-open the transaction stays open: 'config replay' ");
      CPPUNIT_ASSERT_EQUAL("=4 conflict gen=2"s, status_of(reply));
    }
    CPPUNIT_ASSERT_EQUAL(
        " config set esmtp_listener listen *:25 Idle_Time = 11\n config set Hostname = loser.example\n"
        "=0 ok gen=2 edits=2\n"s,
        console("config replay"));
    // Nothing of the loser's is in force.
    CPPUNIT_ASSERT_EQUAL(" Hostname = mx.example.com\n=0 ok gen=2\n"s, other("config get hostname"));
    CPPUNIT_ASSERT_EQUAL(" Idle_Time = 22s\n=0 ok gen=2\n"s, other("config get esmtp_listener listen :25 idle_time"));
    const std::string json = console("--json config commit");
    ASSERT_HOLDS(json, " {\"conflict\":{\"generation\":2,\"by\":\"console: bob\",\"at\":\"20");
    ASSERT_HOLDS(json, "\"scopes\":[\"esmtp_listener listen *:25\"]}}\n");
  }
  void disjoint_changes_both_succeed() {
    Console console;
    Other other(console);
    console("config begin");
    console("config set domain a.example gateway 192.0.2.1");
    other("config set domain b.example gateway 192.0.2.2");
    CPPUNIT_ASSERT(status_of(console("config commit")).starts_with("=0 ok gen=3 "));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=3"s, status_of(console("config get domain b.example gateway")));
  }
  void rebase() {
    Console console;
    Other other(console);
    console("config begin");
    console("config set esmtp_listener idle_time 11");
    CPPUNIT_ASSERT_EQUAL("=0 unchanged gen=1 edits=1 base=1"s, status_of(console("config rebase")));
    other("config set esmtp_listener idle_time 22");
    CPPUNIT_ASSERT_EQUAL("=4 conflict gen=2"s, status_of(console("config commit")));
    CPPUNIT_ASSERT_EQUAL(" esmtp_listener: Idle_Time 22s -> 11s (next-message)\n=0 ok gen=2 edits=1 base=2\n"s,
                         console("config rebase"));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=3 changes=1"s, status_of(console("config commit")));
    // What cannot be done again leaves the transaction as it is.
    console("config begin");
    console("config unset domain example.com");
    other("config unset domain example.com");
    const std::string reply = console("config rebase");
    CPPUNIT_ASSERT_EQUAL_MESSAGE(reply, "=1 failed gen=4"s, status_of(reply));
    ASSERT_HOLDS(reply, "config unset domain example.com");
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=4 edits=1"s, status_of(console("config replay")));
  }
  void commit_confirm() {
    Console console;
    Other other(console);
    console("config begin");
    console("config set hostname x.example");
    const std::string reply = console("config commit confirm 2m");
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=2 changes=1 confirm=120"s, status_of(reply));
    ASSERT_HOLDS(reply, "!warning config-confirm-within goes back by itself in 2m00s unless 'config confirm' comes\n");
    ASSERT_HOLDS(console("config history"), "!warning config-confirm-within the last commit goes back by itself at 20");
    // Nobody changes anything meanwhile.
    for (const auto line : {"config set hostname y.example", "config unset hostname", "config reload"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, "=7 busy gen=2"s, status_of(other(line)));
    CPPUNIT_ASSERT_EQUAL("=0 confirmed gen=2\n"s, other("config confirm"));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("config confirm")));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=3 changes=1"s, status_of(other("config set hostname y.example")));
  }
  void busy_inside() {
    Console console;
    console("config begin");
    for (const auto line :
         {"config reload", "config reload --check", "config reload /etc/impulse/other.conf", "config revert 1"}) {
      const std::string reply = console(line);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, "=7 busy"s, status_of(reply));
      ASSERT_HOLDS(reply, "!error config-in-transaction not inside a transaction");
    }
    console("config rollback");
    CPPUNIT_ASSERT_EQUAL("=0 unchanged gen=1"s, status_of(console("config reload")));
  }
  void named() {
    Console console;
    Other other(console);
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1 transaction=deploy edits=0\n"s, console("config begin name=deploy ttl=600"));
    CPPUNIT_ASSERT_EQUAL("=7 busy"s, status_of(other("config begin \"name=deploy\"")));
    CPPUNIT_ASSERT_EQUAL(
        "!error config-no-transaction there is no transaction 'deplyo'; there is deploy\n=3 not-found\n"s,
        other("config attach deplyo"));
    console("config set hostname x.example");
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1 transaction=deploy edits=1\n"s, other("config attach deploy"));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1 transaction=deploy edits=1\n"s, other("config attach deploy"));  // is there
    CPPUNIT_ASSERT_EQUAL("=0 staged gen=1 transaction=deploy edits=2"s,
                         status_of(other("config set esmtp_listener idle_time 9")));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1\n"s, console("config detach"));
    CPPUNIT_ASSERT_EQUAL(" Hostname = mx.example.com\n=0 ok gen=1\n"s, console("config get hostname"));
    // It outlives the session that began it.
    console.session.reset();
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=2 changes=2"s, status_of(other("config commit")));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(other("config attach deploy")));
  }
  void named_that_has_ended() {
    Console console;
    Other other(console);
    console("config begin name=deploy");
    console("config set hostname x.example");
    other("config attach deploy");
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1 dropped=1"s, status_of(other("config rollback")));
    // What was meant for it never goes live.
    for (const auto line : {"config set hostname y.example", "config unset hostname", "config get hostname",
                            "config commit", "config eval hostname", "config show", "config replay", "config check"}) {
      const std::string reply = console(line);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, "=3 not-found"s, status_of(reply));
      ASSERT_HOLDS(reply, "!error config-transaction-ended the transaction 'deploy' has ended: ");
    }
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, console.system.engine().current()->generation());
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=1\n"s, console("config detach"));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=2 changes=1"s, status_of(console("config set hostname y.example")));
  }
  void end_of_session() {
    Console console;
    Other other(console);
    other("config begin");
    other("config set hostname x.example");
    const std::string bye = other("quit");
    CPPUNIT_ASSERT_EQUAL(
        "!notice config-transaction-dropped the open transaction ends with this session: 1 edit dropped\n=0 bye\n"s,
        bye);
    other.session.reset();
    CPPUNIT_ASSERT_EQUAL("bob: config rollback (the session ended, 1 edit dropped)"s, console.audited.back());
    CPPUNIT_ASSERT_EQUAL(" Hostname = mx.example.com\n=0 ok gen=1\n"s, console("config get hostname"));
    // Without edits there is nothing to tell.
    Other third(console, "carol");
    third("config begin");
    CPPUNIT_ASSERT_EQUAL("=0 bye\n"s, third("quit"));
    third.session.reset();
    CPPUNIT_ASSERT_EQUAL("carol: quit"s, console.audited.back());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TransactionCommandsTest);

}  // namespace
