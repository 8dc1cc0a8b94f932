// Generations: kept, compared, brought back; drift; what waits for a restart.
#include "engine_kit.h"

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

class HistoryTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HistoryTest);
  CPPUNIT_TEST(says_who_did_what);
  CPPUNIT_TEST(keeps_sixteen);
  CPPUNIT_TEST(refusals_and_no_changes_are_not_in_it);
  CPPUNIT_TEST(shares_trees);
  CPPUNIT_TEST(diff_of_any_two);
  CPPUNIT_TEST(revert_is_a_new_generation);
  CPPUNIT_TEST(revert_to_what_is_gone);
  CPPUNIT_TEST(revert_of_nothing);
  CPPUNIT_TEST(revert_that_is_refused);
  CPPUNIT_TEST(revert_knows_what_the_files_say);
  CPPUNIT_TEST(drift_compares_with_the_files_of_now);
  CPPUNIT_TEST(drift_with_broken_files);
  CPPUNIT_TEST(reload_of_another_file);
  CPPUNIT_TEST(reload_of_another_file_that_fails);
  CPPUNIT_TEST(an_edit_of_no_value_publishes_nothing);
  CPPUNIT_TEST(the_order_of_patterns_is_a_change);
  CPPUNIT_TEST(reordered_patterns_alone_show);
  CPPUNIT_TEST(reordering_edits_are_dropped);
  CPPUNIT_TEST(restart_options_wait);
  CPPUNIT_TEST_SUITE_END();

  std::unique_ptr<Rig> rig_;

 public:
  void setUp() override { rig_ = std::make_unique<Rig>(); }

 private:
  const Setting* setting(const std::string& path, const OptionDef& option) const {
    const ScopePtr scope = find_scope(rig_->root(), Rig::read(path).path);
    return scope ? scope->find(option) : nullptr;
  }

  void says_who_did_what() {
    CPPUNIT_ASSERT(rig_->engine->history().empty());
    rig_->start("Hostname = a.example\n");
    rig_->clock += std::chrono::seconds(1);
    const WallTime when = rig_->clock;
    ASSERT_OK(rig_->set("bob: hostname b.example"));
    rig_->clock += std::chrono::seconds(1);
    ASSERT_OK(rig_->unset("hostname"));
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "max_retries 3"));
    ASSERT_OK(Rig::set(*mine, "domain a.example max_retries 3"));
    ASSERT_OK(mine->commit({"console: carol"}));
    ASSERT_OK(rig_->engine->reload({}, {"SIGHUP"}));
    ASSERT_OK(rig_->engine->revert(2, {"console: dave"}));
    CPPUNIT_ASSERT_EQUAL(std::string("1 start-up by start-up (1)\n"
                                     "2 set by console: bob (1)\n"
                                     "3 unset by console: alice (1)\n"
                                     "4 commit by console: carol (2)\n"
                                     "5 reload by SIGHUP (3)\n"
                                     "6 revert to 2 by console: dave (1)\n"),
                         lines(rig_->engine->history()));
    CPPUNIT_ASSERT(rig_->engine->history()[1].at == when);
    CPPUNIT_ASSERT(rig_->engine->history().back().root == rig_->root());
  }

  void keeps_sixteen() {
    rig_->start("");
    for (int i = 1; i <= 20; ++i) ASSERT_OK(rig_->set(fmt::format("max_retries {}", i)));
    const auto history = rig_->engine->history();
    CPPUNIT_ASSERT_EQUAL(size_t{16}, history.size());
    CPPUNIT_ASSERT(history.front().number == 6 && history.back().number == 21);
    ASSERT_OK(rig_->engine->revert(6, {"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(std::string("5"), rig_->said("", definition(key::max_retries)));
  }

  void refusals_and_no_changes_are_not_in_it() {
    rig_->start("Max_Message_Size = 1M\n");
    ASSERT_REFUSED(Errc::invalid, rig_->set("shutdown_timeout soon"));
    ASSERT_OK(rig_->set("max_message_size 1024K"));
    ASSERT_OK(rig_->engine->reload({}, {"SIGHUP"}));
    ASSERT_OK(rig_->engine->reload({true, {}}, {"SIGHUP"}));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, rig_->engine->history().size());
    // It has the lines that the last reading found.
    CPPUNIT_ASSERT(rig_->engine->history().back().root == rig_->root());
  }

  void shares_trees() {
    rig_->start("ESMTP_Listener { Listen \":25\" { } }\nDomain a.example { Max_Retries = 3 }\n");
    ASSERT_OK(rig_->set("domain a.example max_retries 4"));
    const auto history = rig_->engine->history();
    CPPUNIT_ASSERT(history[0].root->child(ScopeKind::esmtp_listener, "") ==
                   history[1].root->child(ScopeKind::esmtp_listener, ""));
  }

  void diff_of_any_two() {
    rig_->start("Hostname = a.example\n");
    ASSERT_OK(rig_->set("hostname b.example"));
    ASSERT_OK(rig_->set("max_retries 3"));
    auto changes = rig_->engine->diff(1, 3);
    CPPUNIT_ASSERT(changes);
    CPPUNIT_ASSERT_EQUAL(std::string("global: Hostname a.example -> b.example (next-session)\n"
                                     "global: Max_Retries (unset) -> 3 (live)\n"),
                         lines(*changes));
    changes = rig_->engine->diff(3, 2);
    CPPUNIT_ASSERT(changes && lines(*changes) == "global: Max_Retries 3 -> (unset) (live)\n");
    CPPUNIT_ASSERT(rig_->engine->diff(2, 2)->empty());
    for (const auto& [a, b] : {std::pair<uint64_t, uint64_t>{0, 1}, {1, 4}}) {
      const auto missing = rig_->engine->diff(a, b);
      CPPUNIT_ASSERT(!missing && missing.error().code == Errc::not_found);
      ASSERT_HOLDS(fmt::format("generation {} is not in the history", a == 0 ? a : b), missing.error().message);
    }
  }

  void revert_is_a_new_generation() {
    rig_->start("Hostname = a.example\nESMTP_Listener { Listen \":25\" { Max_Errors = 5 } }\n");
    const ScopePtr first = rig_->root();
    ASSERT_OK(rig_->set("hostname b.example"));
    ASSERT_OK(rig_->unset("esmtp_listener listen :25"));
    ASSERT_OK(rig_->set("esmtp_listener listen :26 max_errors 6"));
    const Report report = rig_->engine->revert(1, {"console: bob"});
    ASSERT_OK(report);
    CPPUNIT_ASSERT_EQUAL(std::string("global: Hostname b.example -> a.example (next-session)\n"
                                     "esmtp_listener listen *:25: added (relisten)\n"
                                     "esmtp_listener listen *:26: removed (relisten)\n"),
                         lines(report.changes));
    CPPUNIT_ASSERT(report.generation == 5 && rig_->generation() == 5);
    CPPUNIT_ASSERT(diff(first, rig_->root()).empty());
    CPPUNIT_ASSERT_EQUAL(std::string("a.example"), rig_->value(key::hostname));
    // And forth again.
    ASSERT_OK(rig_->engine->revert(4, {"console: bob"}));
    CPPUNIT_ASSERT_EQUAL(std::string("6"), rig_->said("esmtp_listener listen :26", definition(key::max_errors)));
    CPPUNIT_ASSERT_EQUAL(std::string("-"), rig_->said("esmtp_listener listen :25", definition(key::max_errors)));
  }

  void revert_to_what_is_gone() {
    ASSERT_REFUSED(Errc::not_found, rig_->engine->revert(1, {"console: bob"}));
    rig_->start("");
    for (const uint64_t number : {0, 2, 100}) {
      const Report report = rig_->engine->revert(number, {"console: bob"});
      ASSERT_REFUSED(Errc::not_found, report);
      ASSERT_HOLDS("is not in the history", report.error);
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, report.generation);
    }
  }

  void revert_of_nothing() {
    rig_->start("Hostname = a.example\n");
    ASSERT_OK(rig_->set("hostname b.example"));
    ASSERT_OK(rig_->set("hostname a.example"));
    const SnapshotPtr before = rig_->engine->current();
    for (const uint64_t number : {1, 3}) {
      const Report report = rig_->engine->revert(number, {"console: bob"});
      CPPUNIT_ASSERT(report.ok && report.changes.empty() && report.generation == 3);
    }
    CPPUNIT_ASSERT(rig_->engine->current() == before);
  }

  void revert_that_is_refused() {
    std::string journal;
    Recorder socket("socket", journal);
    rig_->engine->add_participant(socket);
    rig_->start("Hostname = a.example\n");
    ASSERT_OK(rig_->set("hostname b.example"));
    const SnapshotPtr before = rig_->engine->current();
    for (const char* phase : {"check", "prepare"}) {
      socket.fail_in = phase;
      ASSERT_REFUSED(std::string(phase) == "check" ? Errc::invalid : Errc::exists,
                     rig_->engine->revert(1, {"console: bob"}));
      CPPUNIT_ASSERT(rig_->engine->current() == before && rig_->engine->history().size() == 2);
    }
  }

  // The old tree came of a file that says something else by now.
  void revert_knows_what_the_files_say() {
    rig_->start("Hostname = a.example\nMax_Retries = 3\nShutdown_Timeout = 5\n");  // 1
    ASSERT_OK(rig_->set("max_retries 4"));                                         // 2
    rig_->file("# moved\nHostname = b.example\nMax_Retries = 4\nShutdown_Timeout = 5\n");
    ASSERT_OK(rig_->engine->reload({}, {"SIGHUP"}));  // 3
    CPPUNIT_ASSERT(!setting("", definition(key::max_retries))->edited);
    ASSERT_OK(rig_->engine->revert(2, {"console: bob"}));  // 4: as 2
    // From the old file, and no longer in it: an edit.
    const Setting* host = setting("", definition(key::hostname));
    CPPUNIT_ASSERT(host && host->edited && std::get<std::string>(host->value) == "a.example");
    CPPUNIT_ASSERT_EQUAL(std::string("console: bob:1:1"), host->origin.to_string());
    // An edit once, and in the file by now: no edit, on its line of now.
    const Setting* retries = setting("", definition(key::max_retries));
    CPPUNIT_ASSERT(retries && !retries->edited);
    CPPUNIT_ASSERT_EQUAL(std::string("impulse.conf:3:1"), retries->origin.to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("impulse.conf:4:1"),
                         setting("", definition(key::shutdown_timeout))->origin.to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("global: Hostname b.example -> a.example (next-session)\n"),
                         lines(rig_->engine->drift().changes));
    const Report report = rig_->engine->reload({}, {"SIGHUP"});
    CPPUNIT_ASSERT_EQUAL(std::string("global: Hostname b.example -> a.example (next-session)\n"),
                         lines(report.dropped_edits));
  }

  void drift_compares_with_the_files_of_now() {
    CPPUNIT_ASSERT(rig_->engine->drift().code == Errc::busy);
    rig_->start("Hostname = a.example\nMax_Retries = 3\n");
    Report report = rig_->engine->drift();
    CPPUNIT_ASSERT(report.ok && report.changes.empty() && report.generation == 1);
    ASSERT_OK(rig_->set("hostname b.example"));
    ASSERT_OK(rig_->set("domain a.example max_retries 5"));
    const SnapshotPtr before = rig_->engine->current();
    rig_->file("Hostname = a.example\nMax_Retries = 4\n");
    report = rig_->engine->drift();
    CPPUNIT_ASSERT(report.ok && report.check_only);
    CPPUNIT_ASSERT_EQUAL(std::string("global: Hostname a.example -> b.example (next-session)\n"
                                     "global: Max_Retries 4 -> 3 (live)\n"
                                     "domain a.example: added (live)\n"),
                         lines(report.changes));
    CPPUNIT_ASSERT(rig_->engine->current() == before);
  }

  void drift_with_broken_files() {
    rig_->start("Hostname = a.example\n");
    rig_->file("Hostnam = a.example\n");
    const Report report = rig_->engine->drift();
    ASSERT_REFUSED(Errc::invalid, report);
    ASSERT_HOLDS("impulse.conf:1:1", all(report.diagnostics));
    CPPUNIT_ASSERT(report.changes.empty());
  }

  void reload_of_another_file() {
    rig_->start("Hostname = a.example\n");
    ASSERT_OK(rig_->set("max_retries 3"));
    rig_->files.texts["other.conf"] = "Hostname = b.example\n";
    Report report = rig_->engine->reload({true, "other.conf"}, {"console: bob"});
    CPPUNIT_ASSERT(report.ok && report.check_only && report.changes.size() == 2);
    CPPUNIT_ASSERT(rig_->engine->file() == "impulse.conf" && rig_->generation() == 2);
    report = rig_->engine->reload({false, "other.conf"}, {"console: bob"});
    ASSERT_OK(report);
    CPPUNIT_ASSERT_EQUAL(std::string("global: Max_Retries (unset) -> 3 (live)\n"), lines(report.dropped_edits));
    CPPUNIT_ASSERT_EQUAL(std::string("other.conf"), rig_->engine->file());
    CPPUNIT_ASSERT_EQUAL(std::string("b.example"), rig_->value(key::hostname));
    // It is the one from now on, also when it says the same as the first.
    ASSERT_OK(rig_->engine->reload({}, {"SIGHUP"}));
    CPPUNIT_ASSERT_EQUAL(std::string("b.example"), rig_->value(key::hostname));
    rig_->file("Hostname = b.example\n");
    report = rig_->engine->reload({false, "impulse.conf"}, {"console: bob"});
    CPPUNIT_ASSERT(report.ok && report.changes.empty());
    CPPUNIT_ASSERT_EQUAL(std::string("impulse.conf"), rig_->engine->file());
  }

  void reload_of_another_file_that_fails() {
    std::string journal;
    Recorder socket("socket", journal);
    rig_->engine->add_participant(socket);
    rig_->start("Hostname = a.example\n");
    ASSERT_OK(rig_->set("max_retries 3"));
    const SnapshotPtr before = rig_->engine->current();
    rig_->files.texts["wrong.conf"] = "Hostnam = b.example\n";
    rig_->files.texts["other.conf"] = "Hostname = b.example\n";
    socket.fail_in = "prepare";
    for (const char* file : {"wrong.conf", "missing.conf", "other.conf"}) {
      const Report report = rig_->engine->reload({false, file}, {"console: bob"});
      CPPUNIT_ASSERT(!report.ok && report.dropped_edits.empty());
      CPPUNIT_ASSERT(rig_->engine->current() == before);
      CPPUNIT_ASSERT_EQUAL(std::string("impulse.conf"), rig_->engine->file());
    }
    socket.fail_in.clear();
    const Report report = rig_->engine->reload({}, {"console: bob"});
    CPPUNIT_ASSERT_EQUAL(size_t{1}, report.dropped_edits.size());  // it was there all the time
  }

  // No participant hears of it, and the value stays the file's.
  void an_edit_of_no_value_publishes_nothing() {
    std::string journal;
    Recorder socket("socket", journal);
    rig_->engine->add_participant(socket);
    rig_->start("Max_Message_Size = 1M\n");
    journal.clear();
    const SnapshotPtr before = rig_->engine->current();
    const Report report = rig_->set("max_message_size 1024K");
    CPPUNIT_ASSERT(report.ok && report.changes.empty() && report.generation == 1);
    CPPUNIT_ASSERT(rig_->engine->current() == before && journal.empty());
    CPPUNIT_ASSERT(!setting("", definition(key::max_message_size))->edited);
    ASSERT_OK(rig_->engine->reload({}, {"SIGHUP"}));
    CPPUNIT_ASSERT_EQUAL(std::string("socket:refreshed "), journal);
  }

  // Which pattern counts first has a meaning, though every value is as it was.
  void the_order_of_patterns_is_a_change() {
    const std::string first = "Domain \"/b/\" { Max_Retries = 3 }\n";
    const std::string second = "Domain \"/a/\" { Max_Retries = 4 }\n";
    rig_->start(first + second);
    const auto retries = [&] {
      return to_text(rig_->engine->current()->eval(Rig::read("domain ab").path, definition(key::max_retries)),
                     definition(key::max_retries));
    };
    CPPUNIT_ASSERT_EQUAL(std::string("3"), retries());
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::unset(*mine, "domain /b/"));
    ASSERT_OK(Rig::set(*mine, "domain /b/ max_retries 3"));
    const Report report = mine->commit({"console: alice"});
    ASSERT_OK(report);
    CPPUNIT_ASSERT_EQUAL(std::string("global: Domain patterns in another order (live)\n"), lines(report.changes));
    CPPUNIT_ASSERT(report.generation == 2);
    CPPUNIT_ASSERT_EQUAL(std::string("4"), retries());
    // It shows wherever two trees are compared, also where they share the scopes themselves.
    const std::string reordered = "global: Domain patterns in another order (live)\n";
    CPPUNIT_ASSERT_EQUAL(reordered, lines(rig_->engine->drift().changes));
    CPPUNIT_ASSERT_EQUAL(reordered, lines(rig_->engine->diff(1, 2).value()));
    CPPUNIT_ASSERT_EQUAL(reordered, lines(rig_->engine->diff(2, 1).value()));
    ASSERT_OK(rig_->engine->revert(1, {"console: alice"}));
    CPPUNIT_ASSERT(rig_->engine->drift().changes.empty() && rig_->engine->diff(1, 3)->empty());
    CPPUNIT_ASSERT_EQUAL(std::string("3"), retries());
    rig_->file(second + first);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, rig_->engine->reload({}, {"console: alice"}).changes.size());
    CPPUNIT_ASSERT(rig_->generation() == 4);
    CPPUNIT_ASSERT_EQUAL(std::string("4"), retries());
    CPPUNIT_ASSERT(rig_->engine->reload({}, {"console: alice"}).changes.empty() && rig_->generation() == 4);
  }

  // Patterns that come, go or stay where they were are no other order, and one
  // that moved shows beside what else has changed.
  void reordered_patterns_alone_show() {
    const auto compared = [](const char* before, const char* after) {
      const auto scopes = [](std::string_view names) {
        std::string text;
        for (const char name : names)
          text += fmt::format("Domain {} {{ }}\n", name == 'x' ? "x" : fmt::format("\"/{}/\"", name));
        return text;
      };
      std::string text;
      for (const Change& change : diff(tree(scopes(before)), tree(scopes(after)))) text += change.to_string() + "; ";
      return text;
    };
    const std::string reordered = "global: Domain patterns in another order (live); ";
    CPPUNIT_ASSERT_EQUAL(std::string(), compared("xab", "abx"));
    CPPUNIT_ASSERT_EQUAL(std::string("domain /c/: added (live); "), compared("ab", "cab"));
    CPPUNIT_ASSERT_EQUAL(std::string("domain /a/: removed (live); "), compared("abc", "bc"));
    CPPUNIT_ASSERT_EQUAL(reordered, compared("abc", "acb"));
    CPPUNIT_ASSERT_EQUAL(reordered + "domain /c/: removed (live); ", compared("cab", "ba"));
    const auto in_binding = [](const char* domains) { return tree(fmt::format("Binding \"b\" {{ {} }}\n", domains)); };
    const auto changes =
        diff(in_binding("Domain \"/a/\" { } Domain \"/b/\" { }"), in_binding("Domain \"/b/\" { } Domain \"/a/\" { }"));
    CPPUNIT_ASSERT(changes.size() == 1 && changes.front().reorders());
    CPPUNIT_ASSERT_EQUAL(std::string("binding b: Domain patterns in another order (live)"),
                         changes.front().to_string());
  }
  // A reload that brings back another order than the console's says that it is lost.
  void reordering_edits_are_dropped() {
    const std::string text = "Domain \"/a/\" { Max_Retries = 3 }\nDomain \"/b/\" { Max_Retries = 4 }\n";
    rig_->start(text);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::unset(*mine, "domain /a/"));
    ASSERT_OK(Rig::set(*mine, "domain /a/ max_retries 3"));
    ASSERT_OK(mine->commit({"console: alice"}));
    const Report report = rig_->engine->reload({}, {"console: alice"});
    ASSERT_OK(report);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, report.dropped_edits.size());
    CPPUNIT_ASSERT_EQUAL(std::string("global: Domain patterns in another order (live)"), report.dropped_edits.front());
  }

  void restart_options_wait() {
    rig_->start("Spoolbase = /a\n");
    const std::string expected = "global: Spoolbase /a -> /b (restart)\n";
    Report report = rig_->set("spoolbase /b");
    CPPUNIT_ASSERT_EQUAL(expected, lines(report.waiting));
    CPPUNIT_ASSERT_EQUAL(expected, lines(rig_->set("max_retries 3").waiting));  // still
    CPPUNIT_ASSERT_EQUAL(expected, lines(rig_->engine->reload({true, {}}, {"x"}).waiting) + expected);
    const auto mine = rig_->begin();
    ASSERT_OK(Rig::set(*mine, "spoolbase /c"));
    CPPUNIT_ASSERT_EQUAL(std::string("global: Spoolbase /a -> /c (restart)\n"), lines(mine->check().waiting));
    report = mine->commit({"console: alice"});
    CPPUNIT_ASSERT_EQUAL(std::string("global: Spoolbase /a -> /c (restart)\n"), lines(report.waiting));
    CPPUNIT_ASSERT_EQUAL(std::string("/a"), rig_->value(key::spoolbase));
    CPPUNIT_ASSERT(rig_->engine->revert(1, {"x"}).waiting.empty());
    // In a scope of its own.
    CPPUNIT_ASSERT_EQUAL(std::string("security: User \"\" -> mail (restart)\n"),
                         lines(rig_->set("security user mail").waiting));
    CPPUNIT_ASSERT_EQUAL(std::string("/a"), rig_->value(key::spoolbase));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(HistoryTest);

}  // namespace
