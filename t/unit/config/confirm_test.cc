// Commits that wait for `config confirm`, and go back by themselves.
#include "engine_kit.h"

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

class ConfirmTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ConfirmTest);
  CPPUNIT_TEST(unconfirmed_commits_revert);
  CPPUNIT_TEST(confirmed_commits_stay);
  CPPUNIT_TEST(while_unconfirmed_others_wait);
  CPPUNIT_TEST(a_revert_answers_the_question);
  CPPUNIT_TEST(a_revert_that_fails_is_tried_again);
  CPPUNIT_TEST_SUITE_END();

  std::unique_ptr<Rig> rig_;

 public:
  void setUp() override { rig_ = std::make_unique<Rig>(); }

 private:
  void unconfirmed_commits_revert() {
    rig_->start(two_listens);
    ASSERT_OK(rig_->set("max_retries 3"));
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname b.example"));
    ASSERT_OK(Rig::unset(*mine, "esmtp_listener listen :26"));
    ASSERT_REFUSED(Errc::invalid, mine->commit({"console: alice"}, Duration{0}));
    const Report report = mine->commit({"console: alice"}, std::chrono::seconds(120));
    ASSERT_OK(report);
    CPPUNIT_ASSERT(report.confirm_within == std::chrono::seconds(120) && report.generation == 3);
    const WallTime deadline = rig_->clock + std::chrono::seconds(120);
    CPPUNIT_ASSERT(rig_->engine->unconfirmed() == deadline && rig_->engine->tick() == deadline);
    rig_->clock = deadline - Duration{1};
    CPPUNIT_ASSERT(rig_->engine->tick() == deadline && rig_->generation() == 3);
    CPPUNIT_ASSERT_EQUAL(std::string("b.example"), rig_->value(key::hostname));
    rig_->clock = deadline;
    CPPUNIT_ASSERT(!rig_->engine->tick() && !rig_->engine->unconfirmed());
    CPPUNIT_ASSERT_EQUAL(std::string("a.example"), rig_->value(key::hostname));
    CPPUNIT_ASSERT_EQUAL(std::string("3"), rig_->said("", definition(key::max_retries)));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, rig_->engine->current()->listens().size());
    CPPUNIT_ASSERT_EQUAL(std::string("4 revert to 2 by unconfirmed commit (2)\n"),
                         lines({rig_->engine->history().back()}));
    CPPUNIT_ASSERT_EQUAL(std::string("generation 3, committed by console: alice, was not confirmed in time: reverted "
                                     "to 2, as generation 4\n"),
                         lines(rig_->notices));
    ASSERT_REFUSED(Errc::not_found, rig_->engine->confirm({"console: alice"}));
  }

  void confirmed_commits_stay() {
    rig_->start(two_listens);
    ASSERT_REFUSED(Errc::not_found, rig_->engine->confirm({"console: alice"}));
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname b.example"));
    ASSERT_OK(mine->commit({"console: alice"}, std::chrono::seconds(120)));
    const Report report = rig_->engine->confirm({"console: bob"});
    ASSERT_OK(report);
    CPPUNIT_ASSERT(report.generation == 2 && !rig_->engine->unconfirmed());
    rig_->clock += std::chrono::seconds(1000);
    CPPUNIT_ASSERT(!rig_->engine->tick() && rig_->notices.empty());
    CPPUNIT_ASSERT_EQUAL(std::string("b.example"), rig_->value(key::hostname));
    ASSERT_OK(rig_->set("max_retries 3"));
  }

  void while_unconfirmed_others_wait() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    const auto other = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname b.example"));
    ASSERT_OK(mine->commit({"console: alice"}, std::chrono::seconds(120)));
    const SnapshotPtr before = rig_->engine->current();
    ASSERT_OK(Rig::set(*other, "domain a.example max_retries 3"));
    rig_->file("Hostname = c.example\n");
    for (const Report& report :
         {rig_->set("max_retries 3"), rig_->unset("hostname"), rig_->engine->reload({}, {"SIGHUP"}),
          other->commit({"console: bob"}), other->commit({"console: bob"}, std::chrono::seconds(5))}) {
      ASSERT_REFUSED(Errc::busy, report);
      ASSERT_HOLDS(
          "generation 2, committed by console: alice, waits to be confirmed: 'config confirm' keeps it, "
          "'config revert 1' takes it back",
          report.error);
    }
    CPPUNIT_ASSERT(rig_->engine->current() == before && !other->ended());
    // Looking is allowed.
    ASSERT_OK(other->check());
    ASSERT_OK(rig_->engine->reload({true, {}}, {"console: bob"}));
    ASSERT_OK(rig_->engine->drift());
    CPPUNIT_ASSERT(rig_->engine->current() == before && rig_->engine->unconfirmed());
    ASSERT_OK(rig_->engine->confirm({"console: alice"}));
    ASSERT_OK(other->commit({"console: bob"}));
    ASSERT_OK(rig_->engine->reload({}, {"SIGHUP"}));
  }

  void a_revert_answers_the_question() {
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname b.example"));
    ASSERT_OK(mine->commit({"console: alice"}, std::chrono::seconds(120)));
    const Report none = rig_->engine->revert(2, {"console: bob"});  // what runs: that is no answer
    CPPUNIT_ASSERT(none.ok && none.changes.empty() && rig_->engine->unconfirmed());
    ASSERT_OK(rig_->engine->revert(1, {"console: bob"}));
    CPPUNIT_ASSERT(!rig_->engine->unconfirmed() && rig_->generation() == 3);
    rig_->clock += std::chrono::seconds(1000);
    CPPUNIT_ASSERT(!rig_->engine->tick() && rig_->generation() == 3 && rig_->notices.empty());
  }

  void a_revert_that_fails_is_tried_again() {
    std::string journal;
    Recorder socket("socket", journal);
    rig_->engine->add_participant(socket);
    rig_->start(two_listens);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "hostname b.example"));
    ASSERT_OK(mine->commit({"console: alice"}, std::chrono::seconds(120)));
    rig_->clock += std::chrono::seconds(120);
    socket.fail_in = "prepare";
    const WallTime again = rig_->clock + std::chrono::seconds(10);
    CPPUNIT_ASSERT(rig_->engine->tick() == again && rig_->engine->unconfirmed() == again);
    ASSERT_HOLDS("cannot be reverted: socket: address in use; trying again in 10 s", lines(rig_->notices));
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, rig_->generation());
    ASSERT_REFUSED(Errc::busy, rig_->set("max_retries 3"));
    socket.fail_in.clear();
    CPPUNIT_ASSERT(rig_->engine->tick() == again);  // not before
    rig_->clock = again;
    CPPUNIT_ASSERT(!rig_->engine->tick());
    CPPUNIT_ASSERT_EQUAL(std::string("a.example"), rig_->value(key::hostname));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ConfirmTest);

}  // namespace
