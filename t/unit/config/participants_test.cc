// Faults: each participant fails in each phase, under everything that commits.
// Afterwards all is as it was: snapshot, history, files, participants.
#include "engine_kit.h"

#include <array>
#include <functional>

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

class ParticipantsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ParticipantsTest);
  CPPUNIT_TEST(every_fault_leaves_all_as_it_was);
  CPPUNIT_TEST(a_fault_at_start_up);
  CPPUNIT_TEST(a_fault_in_an_unconfirmed_commit_keeps_nothing_waiting);
  CPPUNIT_TEST_SUITE_END();

  // Three participants, a history of three generations, an edit that is in no file.
  struct Plant {
    std::string journal;
    Rig rig;
    std::array<Recorder, 3> parts{Recorder("a", journal), Recorder("b", journal), Recorder("c", journal)};
    std::shared_ptr<Transaction> open;

    Plant() {
      for (Recorder& part : parts) rig.engine->add_participant(part);
      rig.start("Hostname = a.example\nESMTP_Listener { Listen \":25\" { } }\n");
      ASSERT_OK(rig.set("hostname b.example"));
      ASSERT_OK(rig.set("esmtp_listener listen :26 enable true"));
      open = rig.begin();
      ASSERT_OK(Rig::set(*open, "esmtp_listener listen :27 enable true"));
      rig.file("Hostname = c.example\nESMTP_Listener { Listen \":28\" { } }\n");
      journal.clear();
    }
    // All that must not change.
    std::string state() const {
      std::string text = fmt::format("{} {} {}\n", static_cast<const void*>(rig.engine->current().get()),
                                     rig.engine->file(), rig.engine->unconfirmed().has_value());
      for (const Generation& g : rig.engine->history())
        text += fmt::format("{} {} {} {}\n", g.number, g.what, g.by.name, static_cast<const void*>(g.root.get()));
      for (const Recorder& part : parts) text += fmt::format("{} {}\n", part.running, part.acquired);
      return text + fmt::format("{} {} {}", open->ended(), open->operations().size(),
                                static_cast<const void*>(open->candidate().get()));
    }
  };
  struct Way {
    const char* name;
    std::function<Report(Plant&)> commit;
  };

  static const std::vector<Way>& ways() {
    static const std::vector<Way> all{
        {"set", [](Plant& p) { return p.rig.set("hostname x.example"); }},
        {"unset", [](Plant& p) { return p.rig.unset("esmtp_listener listen :26"); }},
        {"commit", [](Plant& p) { return p.open->commit({"x"}); }},
        {"commit confirm", [](Plant& p) { return p.open->commit({"x"}, std::chrono::seconds(60)); }},
        {"reload", [](Plant& p) { return p.rig.engine->reload({}, {"x"}); }},
        {"reload of a file",
         [](Plant& p) {
           p.rig.files.texts["other.conf"] = "Hostname = d.example\n";
           return p.rig.engine->reload({false, "other.conf"}, {"x"});
         }},
        {"revert", [](Plant& p) { return p.rig.engine->revert(1, {"x"}); }}};
    return all;
  }

  void every_fault_leaves_all_as_it_was() {
    const std::string prepares[] = {"a:prepare ", "a:prepare b:prepare a:abort ",
                                    "a:prepare b:prepare c:prepare b:abort a:abort "};
    for (const Way& way : ways()) {
      Plant plant;
      for (size_t i = 0; i < plant.parts.size(); ++i) {
        for (const std::string phase : {"check", "prepare"}) {
          const std::string what = fmt::format("{}: {} {}", way.name, i, phase);
          const std::string before = plant.state();
          const SnapshotPtr pinned = plant.rig.engine->current();
          plant.journal.clear();
          plant.parts[i].fail_in = phase;
          const Report report = way.commit(plant);
          plant.parts[i].fail_in.clear();
          CPPUNIT_ASSERT_MESSAGE(what, !report.ok && report.changes.empty() && report.generation == 3);
          CPPUNIT_ASSERT_MESSAGE(what, report.dropped_edits.empty() && !report.confirm_within);
          CPPUNIT_ASSERT_EQUAL_MESSAGE(what, phase == "check" ? Errc::invalid : Errc::exists, report.code);
          CPPUNIT_ASSERT_EQUAL_MESSAGE(what, phase == "check" ? std::string() : prepares[i], plant.journal);
          CPPUNIT_ASSERT_EQUAL_MESSAGE(what, before, plant.state());
        }
      }
      // And without a fault, the same goes through.
      plant.journal.clear();
      const Report report = way.commit(plant);
      CPPUNIT_ASSERT_MESSAGE(std::string(way.name) + report.error, report.ok && report.generation == 4);
      CPPUNIT_ASSERT_EQUAL(std::string("a:prepare b:prepare c:prepare a:apply b:apply c:apply a:finish b:finish "
                                       "c:finish "),
                           plant.journal);
      for (const Recorder& part : plant.parts) CPPUNIT_ASSERT(part.running == 4 && part.acquired == 0);
    }
  }

  void a_fault_at_start_up() {
    std::string journal;
    Rig rig;
    Recorder a("a", journal), b("b", journal);
    rig.engine->add_participant(a);
    rig.engine->add_participant(b);
    rig.file("Hostname = a.example\n");
    b.fail_in = "prepare";
    const Report report = rig.engine->load();
    ASSERT_REFUSED(Errc::exists, report);
    CPPUNIT_ASSERT(!rig.engine->current() && rig.engine->history().empty());
    CPPUNIT_ASSERT_EQUAL(std::string("a:prepare b:prepare a:abort "), journal);
    b.fail_in.clear();
    ASSERT_OK(rig.engine->load());
  }

  void a_fault_in_an_unconfirmed_commit_keeps_nothing_waiting() {
    Plant plant;
    plant.parts[1].fail_in = "prepare";
    ASSERT_REFUSED(Errc::exists, plant.open->commit({"x"}, std::chrono::seconds(60)));
    CPPUNIT_ASSERT(!plant.rig.engine->unconfirmed() && !plant.rig.engine->tick());
    plant.parts[1].fail_in.clear();
    ASSERT_OK(plant.rig.set("max_retries 3"));  // not busy
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ParticipantsTest);

}  // namespace
