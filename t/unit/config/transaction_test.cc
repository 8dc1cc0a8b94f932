// Transactions: gathering, committing, dropping, naming.
#include "engine_kit.h"

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

class TransactionTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TransactionTest);
  CPPUNIT_TEST(nothing_shows_before_the_commit);
  CPPUNIT_TEST(one_bad_operation_is_refused_alone);
  CPPUNIT_TEST(what_belongs_together_may_come_in_any_order);
  CPPUNIT_TEST(check_changes_nothing);
  CPPUNIT_TEST(an_empty_commit_is_unchanged);
  CPPUNIT_TEST(operations_can_be_typed_again);
  CPPUNIT_TEST(operations_hide_secrets);
  CPPUNIT_TEST(from_scratch_replaces_everything);
  CPPUNIT_TEST(dropping_is_rolling_back);
  CPPUNIT_TEST(an_ended_one_does_nothing);
  CPPUNIT_TEST(named_ones_are_shared);
  CPPUNIT_TEST(names_and_ttls_are_checked);
  CPPUNIT_TEST(unused_ones_expire);
  CPPUNIT_TEST_SUITE_END();

  std::unique_ptr<Rig> rig_;

 public:
  void setUp() override { rig_ = std::make_unique<Rig>(); }

 private:
  void nothing_shows_before_the_commit() {
    rig_->start(two_listens);
    const SnapshotPtr before = rig_->engine->current();
    const auto mine = rig_->begin();
    CPPUNIT_ASSERT(mine->base() == 1 && mine->name().empty() && !mine->from_scratch() && !mine->ended());
    CPPUNIT_ASSERT(mine->operations().empty() && mine->diff().empty());
    const Report report = Rig::set(*mine, "hostname b.example");
    ASSERT_OK(report);
    CPPUNIT_ASSERT_EQUAL(std::string("global: Hostname a.example -> b.example (next-session)\n"),
                         lines(report.changes));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, report.generation);
    ASSERT_OK(Rig::unset(*mine, "esmtp_listener listen :25 max_errors"));
    ASSERT_OK(Rig::unset(*mine, "esmtp_listener listen :26"));
    CPPUNIT_ASSERT(rig_->engine->current() == before);
    CPPUNIT_ASSERT_EQUAL(std::string("b.example"), Rig::said(mine->candidate(), "", definition(key::hostname)));
    const std::string expected =
        "global: Hostname a.example -> b.example (next-session)\n"
        "esmtp_listener listen *:25: Max_Errors 5 -> (unset) (next-message)\n"
        "esmtp_listener listen *:26: removed (relisten)\n";
    CPPUNIT_ASSERT_EQUAL(expected, lines(mine->diff()));
    const Report committed = mine->commit({"console: alice"});
    ASSERT_OK(committed);
    CPPUNIT_ASSERT_EQUAL(expected, lines(committed.changes));
    CPPUNIT_ASSERT(committed.generation == 2 && rig_->generation() == 2 && !committed.confirm_within);
    CPPUNIT_ASSERT_EQUAL(std::string("b.example"), rig_->value(key::hostname));
    CPPUNIT_ASSERT(mine->ended() && mine->operations().empty());
  }

  void one_bad_operation_is_refused_alone() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname b.example"));
    const ScopePtr before = mine->candidate();
    Report report = Rig::set(*mine, "hostnam c.example");
    CPPUNIT_ASSERT(!report.ok && report.code == Errc::invalid);
    ASSERT_HOLDS("did you mean 'Hostname'?", all(report.diagnostics));
    ASSERT_REFUSED(Errc::invalid, Rig::set(*mine, "shutdown_timeout soon"));
    ASSERT_REFUSED(Errc::not_found, Rig::unset(*mine, "max_retries"));
    ASSERT_REFUSED(Errc::not_found, Rig::unset(*mine, "domain a.example"));
    ASSERT_REFUSED(Errc::invalid, mine->unset({}, "", typed("")));
    report = mine->set({{ScopeKind::peer, "10.0.0.1"}}, "deny", word("true"), nullptr);
    ASSERT_HOLDS("may not stand in the global scope", report.error);
    CPPUNIT_ASSERT(mine->candidate() == before && mine->operations().size() == 1);
    ASSERT_OK(mine->commit({"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(std::string("b.example"), rig_->value(key::hostname));
  }

  // As single sets, the first would be refused.
  void what_belongs_together_may_come_in_any_order() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "esmtp_listener tls_certificate main"));
    Report report = mine->check();
    CPPUNIT_ASSERT(!report.ok && report.check_only);
    ASSERT_HOLDS("there is no Certificate \"main\"", all(report.diagnostics));
    // A commit that is refused leaves it open for mending.
    ASSERT_REFUSED(Errc::invalid, mine->commit({"console: alice"}));
    CPPUNIT_ASSERT(!mine->ended() && rig_->generation() == 1);
    ASSERT_OK(Rig::set(*mine, "certificate main cert /c"));
    ASSERT_OK(Rig::set(*mine, "certificate main private_key /k"));
    ASSERT_OK(mine->commit({"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(std::string("main"), rig_->said("esmtp_listener", definition(key::tls_certificate)));
  }

  void check_changes_nothing() {
    rig_->start(two_listens);
    const SnapshotPtr before = rig_->engine->current();
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "spoolbase /b"));
    const Report report = mine->check();
    ASSERT_OK(report);
    CPPUNIT_ASSERT(report.check_only && report.changes.size() == 1 && report.generation == 1);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, report.waiting.size());
    CPPUNIT_ASSERT(rig_->engine->current() == before && rig_->engine->history().size() == 1);
    CPPUNIT_ASSERT(!mine->ended() && mine->operations().size() == 1);
  }

  void an_empty_commit_is_unchanged() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname b.example"));
    ASSERT_OK(Rig::set(*mine, "hostname a.example"));
    const Report report = mine->commit({"console: alice"}, std::chrono::seconds(60));
    ASSERT_OK(report);
    CPPUNIT_ASSERT(report.changes.empty() && report.generation == 1 && rig_->engine->history().size() == 1);
    CPPUNIT_ASSERT(mine->ended() && !report.confirm_within && !rig_->engine->unconfirmed());
    ASSERT_OK(rig_->begin()->commit({"console: alice"}));
  }

  void operations_can_be_typed_again() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "ESMTP_listener LISTEN :25 Enable = off"));
    ASSERT_OK(Rig::set(*mine, "esmtp_listener listen :25 peer 10.1.2.3/8 max_errors 7"));
    ASSERT_OK(Rig::set(*mine, "esmtp_listener smtp_extensions ( pipelining 8bitmime )"));
    ASSERT_OK(Rig::set(*mine, "esmtp_listener banner_hostname \"x.example\""));
    ASSERT_OK(Rig::set(*mine, "domain Example.COM max_retries 3"));
    ASSERT_OK(Rig::unset(*mine, "esmtp_listener listen :25 max_errors"));
    ASSERT_OK(Rig::unset(*mine, "esmtp_listener listen :26"));
    CPPUNIT_ASSERT_EQUAL(std::string("config set esmtp_listener listen *:25 Enable = off\n"
                                     "config set esmtp_listener listen *:25 peer 10.0.0.0/8 Max_Errors = 7\n"
                                     "config set esmtp_listener SMTP_Extensions = ( pipelining 8bitmime )\n"
                                     "config set esmtp_listener Banner_Hostname = \"x.example\"\n"
                                     "config set domain example.com Max_Retries = 3\n"
                                     "config unset esmtp_listener listen *:25 Max_Errors\n"
                                     "config unset esmtp_listener listen *:26\n"),
                         lines(mine->operations()));
    const auto again = rig_->begin();
    for (const Operation& operation : mine->operations()) ASSERT_OK(Rig::type(*again, operation.to_string()));
    CPPUNIT_ASSERT(diff(mine->candidate(), again->candidate()).empty());
  }

  void operations_hide_secrets() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "tls_key_password hunter2"));
    ASSERT_OK(mine->set({{ScopeKind::certificate, "main"}}, "private_key",
                        word("-----BEGIN PRIVATE KEY-----\nMIIhunter2\n-----END PRIVATE KEY-----\n"), typed("x")));
    CPPUNIT_ASSERT_EQUAL(std::string("config set TLS_Key_Password = (redacted)\n"
                                     "config set certificate main Private_Key = (redacted)\n"),
                         lines(mine->operations()));
    CPPUNIT_ASSERT(!holds(lines(mine->diff()), "hunter2"));
    // What was hidden cannot be taken for a value.
    ASSERT_REFUSED(Errc::invalid, Rig::type(*mine, mine->operations().front().to_string()));
  }

  void from_scratch_replaces_everything() {
    rig_->start(two_listens);
    const auto mine = rig_->begin({true, {}, {}});
    CPPUNIT_ASSERT(mine->from_scratch() && mine->candidate()->child_count() == 0);
    ASSERT_OK(Rig::set(*mine, "hostname b.example"));
    ASSERT_REFUSED(Errc::not_found, Rig::unset(*mine, "esmtp_listener listen :25"));
    CPPUNIT_ASSERT_EQUAL(std::string("global: Hostname a.example -> b.example (next-session)\n"
                                     "esmtp_listener: removed (relisten)\n"),
                         lines(mine->diff()));
    ASSERT_OK(mine->commit({"console: alice"}));
    CPPUNIT_ASSERT(diff(rig_->root(), tree("Hostname = b.example\n")).empty());
  }

  void dropping_is_rolling_back() {
    rig_->start(two_listens);
    const SnapshotPtr before = rig_->engine->current();
    auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname c.example"));
    mine.reset();
    CPPUNIT_ASSERT(rig_->engine->current() == before && rig_->engine->named().empty());
    // A session may outlive the engine.
    mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname c.example"));
    rig_->engine.reset();
    mine.reset();
  }

  void an_ended_one_does_nothing() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname c.example"));
    ASSERT_OK(mine->commit({"console: alice"}));
    ASSERT_REFUSED(Errc::not_found, Rig::set(*mine, "hostname d.example"));
    ASSERT_REFUSED(Errc::not_found, Rig::unset(*mine, "hostname"));
    ASSERT_REFUSED(Errc::not_found, mine->check());
    ASSERT_REFUSED(Errc::not_found, mine->rebase());
    ASSERT_REFUSED(Errc::not_found, mine->commit({"console: alice"}));
    CPPUNIT_ASSERT(mine->diff().empty() && rig_->generation() == 2);
    CPPUNIT_ASSERT(!Rig().engine->begin({}, {"console: alice"}));  // nothing is loaded
  }

  void named_ones_are_shared() {
    rig_->start(two_listens);
    {
      const auto first = rig_->begin({false, "deploy", {}});
      ASSERT_OK(Rig::set(*first, "hostname b.example"));
    }
    const auto taken = rig_->engine->begin({false, "deploy", {}}, {"console: bob"});
    CPPUNIT_ASSERT(!taken && taken.error().code == Errc::exists);
    ASSERT_HOLDS("begun by console: alice", taken.error().message);
    // Another connection goes on, and a third commits.
    const auto second = rig_->engine->find("deploy");
    CPPUNIT_ASSERT(second && second->name() == "deploy" && second->operations().size() == 1);
    ASSERT_OK(Rig::set(*second, "bob: max_retries 3"));
    const auto third = rig_->engine->find("deploy");
    CPPUNIT_ASSERT(third == second && rig_->engine->named().size() == 1);
    ASSERT_OK(third->commit({"console: carol"}));
    CPPUNIT_ASSERT_EQUAL(std::string("1 start-up by start-up (2)\n2 commit by console: carol (2)\n"),
                         lines(rig_->engine->history()));
    CPPUNIT_ASSERT(second->ended() && !rig_->engine->find("deploy") && rig_->engine->named().empty());
    // The name is free again.
    const auto next = rig_->begin({false, "deploy", {}});
    rig_->engine->rollback("deploy");
    CPPUNIT_ASSERT(next->ended() && !rig_->engine->find("deploy"));
    rig_->engine->rollback("deploy");
    rig_->engine->rollback("");
    CPPUNIT_ASSERT(!rig_->engine->find("") && !rig_->engine->find("other"));
  }

  void names_and_ttls_are_checked() {
    rig_->start(two_listens);
    for (const std::string& name : {std::string("a b"), std::string("a\n"), std::string(65, 'a')}) {
      const auto begun = rig_->engine->begin({false, name, {}}, {"console: alice"});
      CPPUNIT_ASSERT(!begun && begun.error().code == Errc::invalid);
    }
    CPPUNIT_ASSERT(!rig_->engine->begin({false, "a", Duration{0}}, {"console: alice"}));
    CPPUNIT_ASSERT(!rig_->engine->begin({false, "", std::chrono::seconds(5)}, {"console: alice"}));
    CPPUNIT_ASSERT(rig_->engine->named().empty() && !rig_->engine->tick());
    CPPUNIT_ASSERT(rig_->engine->begin({false, "Deploy-1.2_x", {}}, {"console: alice"}));
  }

  void unused_ones_expire() {
    rig_->start(two_listens);
    const WallTime begin = rig_->clock;
    const auto standard = rig_->begin({false, "standard", {}});
    const auto brief = rig_->begin({false, "brief", std::chrono::seconds(30)});
    CPPUNIT_ASSERT(rig_->engine->tick() == begin + std::chrono::seconds(30));
    rig_->clock = begin + std::chrono::seconds(29);
    ASSERT_OK(Rig::set(*brief, "hostname b.example"));  // that is a use
    CPPUNIT_ASSERT(rig_->engine->tick() == begin + std::chrono::seconds(59));
    rig_->clock = begin + std::chrono::seconds(58);
    CPPUNIT_ASSERT(rig_->engine->find("brief") == brief);  // and that
    rig_->clock = begin + std::chrono::seconds(87);
    CPPUNIT_ASSERT(rig_->engine->tick() == begin + std::chrono::seconds(88) && rig_->notices.empty());
    rig_->clock = begin + std::chrono::seconds(88);
    CPPUNIT_ASSERT(rig_->engine->tick() == begin + std::chrono::seconds(600));
    CPPUNIT_ASSERT_EQUAL(std::string("transaction brief, begun by console: alice, was not used for too long: its 1 "
                                     "operations are gone\n"),
                         lines(rig_->notices));
    CPPUNIT_ASSERT(brief->ended() && !standard->ended());
    ASSERT_REFUSED(Errc::not_found, brief->commit({"console: alice"}));
    // Also when nobody has ticked.
    rig_->clock = begin + std::chrono::seconds(600);
    CPPUNIT_ASSERT(!rig_->engine->find("standard") && standard->ended() && rig_->notices.size() == 2);
    CPPUNIT_ASSERT(!rig_->engine->tick() && rig_->engine->named().empty());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TransactionTest);

}  // namespace
