// Transactions that race: who wins, what the loser is told, and how it goes on.
#include "engine_kit.h"

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

class TransactionRaceTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TransactionRaceTest);
  CPPUNIT_TEST(from_scratch_yields_to_any_commit);
  CPPUNIT_TEST(disjoint_commits_both_succeed);
  CPPUNIT_TEST(overlapping_commits_conflict);
  CPPUNIT_TEST(what_touches_what);
  CPPUNIT_TEST(what_was_taken_back_is_no_conflict);
  CPPUNIT_TEST(saying_the_same_again_counts);
  CPPUNIT_TEST(single_sets_and_reloads_conflict_too);
  CPPUNIT_TEST(a_conflict_names_all_winners);
  CPPUNIT_TEST(merged_mistakes_are_found);
  CPPUNIT_TEST(rebase_takes_over);
  CPPUNIT_TEST(rebase_is_all_or_none);
  CPPUNIT_TEST(the_loser_replays);
  CPPUNIT_TEST_SUITE_END();

  std::unique_ptr<Rig> rig_;

 public:
  void setUp() override { rig_ = std::make_unique<Rig>(); }

 private:
  static std::string all_conflicts(const Report& report) {
    std::string text;
    for (const Conflict& conflict : report.conflicts) {
      text += fmt::format("{} {}:", conflict.generation, conflict.by.name);
      for (const std::string& path : conflict.paths) text += " [" + path + "]";
      text += "\n";
    }
    return text;
  }

  void from_scratch_yields_to_any_commit() {
    rig_->start(two_listens);
    const auto mine = rig_->begin({true, {}, {}});
    ASSERT_OK(Rig::set(*mine, "hostname b.example"));
    ASSERT_OK(rig_->set("bob: esmtp_listener listen :25 max_errors 6"));
    const Report report = mine->commit({"console: alice"});
    ASSERT_REFUSED(Errc::conflict, report);
    CPPUNIT_ASSERT_EQUAL(std::string("2 console: bob: [esmtp_listener listen *:25]\n"), all_conflicts(report));
    ASSERT_OK(mine->rebase());
    CPPUNIT_ASSERT(mine->base() == 2);
    ASSERT_OK(mine->commit({"console: alice"}));
    CPPUNIT_ASSERT(diff(rig_->root(), tree("Hostname = b.example\n")).empty());
  }

  void disjoint_commits_both_succeed() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    const auto theirs = rig_->begin({}, "console: bob");
    ASSERT_OK(Rig::set(*mine, "esmtp_listener listen :25 max_errors 6"));
    ASSERT_OK(Rig::set(*mine, "esmtp_listener listen :25 peer 10.0.0.1 deny true"));
    ASSERT_OK(Rig::set(*theirs, "bob: esmtp_listener listen :26 max_errors 7"));
    ASSERT_OK(Rig::set(*theirs, "bob: esmtp_listener listen :25 peer 10.0.0.2 deny true"));
    ASSERT_OK(Rig::unset(*theirs, "bob: esmtp_listener listen :26 peer 10.0.0.1"));
    ASSERT_OK(theirs->commit({"console: bob"}));
    ASSERT_OK(mine->check());
    const Report report = mine->commit({"console: alice"});
    ASSERT_OK(report);
    // Only its own.
    CPPUNIT_ASSERT_EQUAL(std::string("esmtp_listener listen *:25: Max_Errors 5 -> 6 (next-message)\n"
                                     "esmtp_listener listen *:25 peer 10.0.0.1: added (next-session)\n"),
                         lines(report.changes));
    CPPUNIT_ASSERT(diff(rig_->root(), tree("Hostname = a.example\nESMTP_Listener {\nListen \":25\" { Max_Errors = 6 "
                                           "Peer 10.0.0.1 { Deny = true } Peer 10.0.0.2 { Deny = true } }\n"
                                           "Listen \":26\" { Max_Errors = 7 } }\n"))
                       .empty());
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, rig_->generation());
  }

  void overlapping_commits_conflict() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    const auto theirs = rig_->begin({}, "console: bob");
    ASSERT_OK(Rig::set(*mine, "esmtp_listener listen :25 max_errors 6"));
    ASSERT_OK(Rig::set(*mine, "hostname c.example"));
    ASSERT_OK(Rig::set(*theirs, "esmtp_listener listen :25 enable false"));
    rig_->clock += std::chrono::seconds(5);
    const WallTime when = rig_->clock;
    ASSERT_OK(theirs->commit({"console: bob"}));
    rig_->clock += std::chrono::seconds(5);
    const SnapshotPtr before = rig_->engine->current();
    const ScopePtr candidate = mine->candidate();
    for (const Report& report : {mine->check(), mine->commit({"console: alice"})}) {
      ASSERT_REFUSED(Errc::conflict, report);
      CPPUNIT_ASSERT_EQUAL(std::string("2 console: bob: [esmtp_listener listen *:25]\n"), all_conflicts(report));
      CPPUNIT_ASSERT(report.conflicts.front().at == when);
      CPPUNIT_ASSERT_EQUAL(std::string("console: bob was first, with generation 2: esmtp_listener listen *:25"),
                           report.error);
    }
    // Nothing is half applied, and it stays open.
    CPPUNIT_ASSERT(rig_->engine->current() == before && rig_->engine->history().size() == 2);
    CPPUNIT_ASSERT(!mine->ended() && mine->candidate() == candidate && mine->operations().size() == 2);
  }

  void what_touches_what() {
    struct Case {
      const char *theirs, *mine;
      bool conflict;
    };
    const char* listen = "esmtp_listener listen :25 ";
    for (const Case& one : std::vector<Case>{
             {"set hostname b.example", "set max_retries 3", true},  // one scope, two options
             {"set hostname b.example", "set domain a.example max_retries 3", false},
             {"set domain b.example max_retries 3", "set domain a.example max_retries 3", false},
             {"set domain a.example max_retries 4", "set domain a.example max_retries 3", true},
             {"unset L", "set L peer 10.0.0.9 deny true", true},  // gone, with all that is in it
             {"set L peer 10.0.0.9 deny true", "unset L", true},
             {"set L max_errors 3", "unset L peer 10.0.0.2", false},  // around it
             {"unset L peer 10.0.0.2", "set L max_errors 3", false},
             {"set L peer 10.0.0.2 deny true", "unset L peer 10.0.0.2", true},
             {"unset L peer 10.0.0.2", "unset esmtp_listener", true},
             {"set esmtp_listener listen :27 peer 10.0.0.1 deny true",
              "set esmtp_listener listen :27 peer 10.0.0.2 deny true", true},  // both open :27
             {"set esmtp_listener listen :27 enable true", "set esmtp_listener listen :28 enable true", false},
             {"set esmtp_listener idle_time 30", "set L max_errors 3", false}}) {
      Rig rig;
      rig.start("ESMTP_Listener { Listen \":25\" { Max_Errors = 5 Peer 10.0.0.2 { Max_Errors = 1 } } }\n");
      const auto type = [&](Transaction& transaction, std::string line) {
        if (const size_t at = line.find(" L"); at != std::string::npos)
          line = line.substr(0, at + 1) + listen + (at + 3 < line.size() ? line.substr(at + 3) : "");
        ASSERT_OK(Rig::type(transaction, "config " + line));
      };
      const auto mine = rig.begin();
      const auto theirs = rig.begin();
      type(*theirs, one.theirs);
      type(*mine, one.mine);
      ASSERT_OK(theirs->commit({"console: bob"}));
      const Report report = mine->commit({"console: alice"});
      const std::string what = fmt::format("{} / {}: {}", one.theirs, one.mine, report.error);
      CPPUNIT_ASSERT_MESSAGE(what, report.ok != one.conflict);
      CPPUNIT_ASSERT_MESSAGE(what, report.ok || report.code == Errc::conflict);
    }
  }

  void what_was_taken_back_is_no_conflict() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname c.example"));
    ASSERT_OK(rig_->set("bob: hostname b.example"));
    ASSERT_OK(rig_->set("bob: hostname a.example"));
    ASSERT_OK(mine->commit({"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(std::string("c.example"), rig_->value(key::hostname));
  }

  // "Hostname shall be a.example" must not silently undo what somebody made of it meanwhile.
  void saying_the_same_again_counts() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname a.example"));
    CPPUNIT_ASSERT(mine->diff().empty() && mine->operations().size() == 1);
    ASSERT_OK(rig_->set("bob: hostname b.example"));
    ASSERT_REFUSED(Errc::conflict, mine->commit({"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(std::string("b.example"), rig_->value(key::hostname));
  }

  void single_sets_and_reloads_conflict_too() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname c.example"));
    rig_->file(std::string(two_listens) + "Max_Retries = 3\n");
    ASSERT_OK(rig_->engine->reload({}, {"SIGHUP"}));
    Report report = mine->commit({"console: alice"});
    ASSERT_REFUSED(Errc::conflict, report);
    CPPUNIT_ASSERT_EQUAL(std::string("2 SIGHUP: [global]\n"), all_conflicts(report));
    // A reload that changes nothing, and one that changes other scopes, do not.
    ASSERT_OK(mine->rebase());
    ASSERT_OK(rig_->engine->reload({}, {"SIGHUP"}));
    rig_->file(std::string(two_listens) + "Max_Retries = 3\nDomain a.example { Max_Retries = 4 }\n");
    ASSERT_OK(rig_->engine->reload({}, {"SIGHUP"}));
    ASSERT_OK(mine->commit({"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(std::string("4"), rig_->said("domain a.example", definition(key::max_retries)));
    CPPUNIT_ASSERT_EQUAL(std::string("c.example"), rig_->value(key::hostname));
  }

  void a_conflict_names_all_winners() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname c.example"));
    ASSERT_OK(Rig::set(*mine, "esmtp_listener listen :25 max_errors 9"));
    ASSERT_OK(Rig::set(*mine, "esmtp_listener listen :26 max_errors 9"));
    ASSERT_OK(rig_->set("bob: esmtp_listener listen :25 max_errors 6"));
    ASSERT_OK(rig_->set("esmtp_listener listen :25 max_errors 7"));
    ASSERT_OK(rig_->set("bob: hostname b.example"));
    Report report = mine->commit({"console: alice"});
    CPPUNIT_ASSERT_EQUAL(std::string("3 console: alice: [esmtp_listener listen *:25]\n4 console: bob: [global]\n"),
                         all_conflicts(report));
    ASSERT_HOLDS("console: bob was first, with generation 4: global, and 1 more", report.error);
    // The history has forgotten who it was, the transaction has not forgotten what.
    for (int i = 0; i < 20; ++i) ASSERT_OK(rig_->set(fmt::format("domain a.example max_retries {}", i)));
    report = mine->commit({"console: alice"});
    ASSERT_REFUSED(Errc::conflict, report);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, report.conflicts.front().paths.size());
    ASSERT_HOLDS("no longer in the history", report.error);
  }

  // Each alone is right, both together are not.
  void merged_mistakes_are_found() {
    rig_->start("Certificate main { Cert = /c Private_Key = /k }\nESMTP_Listener { Listen \":25\" { } }\n");
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "esmtp_listener tls_certificate main"));
    ASSERT_OK(rig_->unset("bob: certificate main"));
    const Report report = mine->commit({"console: alice"});
    ASSERT_REFUSED(Errc::invalid, report);
    ASSERT_HOLDS("there is no Certificate \"main\"", all(report.diagnostics));
    CPPUNIT_ASSERT(!mine->ended() && rig_->generation() == 2);
  }

  void rebase_takes_over() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "esmtp_listener listen :25 max_errors 6"));
    ASSERT_OK(rig_->set("bob: esmtp_listener listen :25 enable false"));
    ASSERT_REFUSED(Errc::conflict, mine->commit({"console: alice"}));
    const Report report = mine->rebase();
    ASSERT_OK(report);
    CPPUNIT_ASSERT_EQUAL(std::string("esmtp_listener listen *:25: Max_Errors 5 -> 6 (next-message)\n"),
                         lines(report.changes));
    CPPUNIT_ASSERT(mine->base() == 2 && mine->operations().size() == 1);
    CPPUNIT_ASSERT_EQUAL(std::string("false"),
                         Rig::said(mine->candidate(), "esmtp_listener listen :25", definition(key::enable)));
    ASSERT_OK(mine->commit({"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(std::string("6"), rig_->said("esmtp_listener listen :25", definition(key::max_errors)));
    CPPUNIT_ASSERT_EQUAL(std::string("false"), rig_->said("esmtp_listener listen :25", definition(key::enable)));
  }

  void rebase_is_all_or_none() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname c.example"));
    ASSERT_OK(Rig::unset(*mine, "esmtp_listener listen :25 max_errors"));
    const ScopePtr before = mine->candidate();
    ASSERT_OK(rig_->unset("bob: esmtp_listener listen :25 max_errors"));
    const Report report = mine->rebase();
    ASSERT_REFUSED(Errc::not_found, report);
    ASSERT_HOLDS("operation 2, config unset esmtp_listener listen *:25 Max_Errors: Max_Errors is not set",
                 report.error);
    CPPUNIT_ASSERT(mine->candidate() == before && mine->base() == 1 && !mine->ended());
  }

  void the_loser_replays() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    const auto theirs = rig_->begin({}, "console: bob");
    ASSERT_OK(Rig::set(*mine, "esmtp_listener listen :25 max_errors 6"));
    ASSERT_OK(Rig::set(*mine, "esmtp_listener listen :27 enable true"));
    ASSERT_OK(Rig::set(*theirs, "bob: esmtp_listener listen :25 idle_time 30"));
    ASSERT_OK(theirs->commit({"console: bob"}));
    ASSERT_REFUSED(Errc::conflict, mine->commit({"console: alice"}));
    const auto again = rig_->begin();
    for (const Operation& operation : mine->operations()) ASSERT_OK(Rig::type(*again, operation.to_string()));
    ASSERT_OK(again->commit({"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(std::string("6"), rig_->said("esmtp_listener listen :25", definition(key::max_errors)));
    CPPUNIT_ASSERT_EQUAL(std::string("30s"), rig_->said("esmtp_listener listen :25", definition(key::idle_time)));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TransactionRaceTest);

}  // namespace
