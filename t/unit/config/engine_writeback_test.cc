// The engine's writeback: real files, written, read again, and what the
// running configuration knows of them afterwards.
#include "engine_kit.h"

#include "base/files.h"

#include <filesystem>

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

class EngineWritebackTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(EngineWritebackTest);
  CPPUNIT_TEST(edits_go_into_the_file);
  CPPUNIT_TEST(nothing_to_write);
  CPPUNIT_TEST(a_file_that_changed_underneath);
  CPPUNIT_TEST(reverted_values_are_written);
  CPPUNIT_TEST(local_changes);
  CPPUNIT_TEST(all_into_another_file);
  CPPUNIT_TEST(all_into_an_included_file);
  CPPUNIT_TEST(all_into_the_main_file);
  CPPUNIT_TEST(what_is_no_configuration_stays);
  CPPUNIT_TEST(not_now);
  CPPUNIT_TEST_SUITE_END();

  // An engine over a folder of its own.
  class Folder {
   public:
    Folder() {
      std::string name = (std::filesystem::temp_directory_path() / "impulse-engine-XXXXXX").string();
      CPPUNIT_ASSERT(mkdtemp(name.data()));
      path_ = name;
      EngineSettings settings;
      settings.file = at("impulse.conf");
      engine = Engine::create(std::move(settings));
      recorder = std::make_unique<Recorder>("part", journal);
      engine->add_participant(*recorder);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path_, ignored);
    }
    std::string at(const std::string& name) const { return path_ + "/" + name; }
    void write(const std::string& name, const std::string& text) const {
      CPPUNIT_ASSERT(replace_file(at(name), text, 0600));
    }
    std::string text(const std::string& name = "impulse.conf") const {
      const auto found = read_file(at(name));
      return found ? *found : "(" + found.error().message + ")";
    }
    void start(const std::string& main) {
      write("impulse.conf", main);
      ASSERT_OK(engine->load());
      journal.clear();
    }
    Report set(const std::string& line) const {
      const Rig::Line read = Rig::read(line);
      return engine->set(read.path, read.option, read.value, read.source);
    }
    Report unset(const std::string& line) const {
      const Rig::Line read = Rig::read(line);
      return engine->unset(read.path, read.option, read.source);
    }
    const Setting* setting(const std::string& path, const OptionDef& option) const {
      const ScopePtr scope = find_scope(engine->current()->root(), Rig::read(path).path);
      return scope ? scope->find(option) : nullptr;
    }

    std::string journal;
    std::unique_ptr<Recorder> recorder;
    std::unique_ptr<Engine> engine;

   private:
    std::string path_;
  };

  static void written(const WritebackReport& report) { CPPUNIT_ASSERT_MESSAGE(report.error, report.ok); }
  static void refused(Errc code, const char* why, const WritebackReport& report) {
    CPPUNIT_ASSERT(!report.ok && report.files.empty());
    ASSERT_HOLDS(why, report.error);
    CPPUNIT_ASSERT_MESSAGE(report.error, report.code == code);
  }

  void edits_go_into_the_file() {
    Folder folder;
    folder.start(
        "# ours\nHostname = a.example  # old\n\nESMTP_Listener {\n  Listen \":25\" {\n    Max_Errors = 5\n  }\n}\n");
    ASSERT_OK(folder.set("hostname b.example"));
    ASSERT_OK(folder.set("esmtp_listener listen :25 max_errors 6"));
    const ScopePtr wanted = folder.engine->current()->root();
    folder.journal.clear();
    const WritebackReport report = folder.engine->writeback({}, {"console: alice"});
    written(report);
    CPPUNIT_ASSERT_EQUAL(folder.at("impulse.conf") + "\n", lines(report.files));
    CPPUNIT_ASSERT_EQUAL(std::string("# ours\nHostname = b.example  # old\n\nESMTP_Listener {\n  Listen \":25\" {\n    "
                                     "Max_Errors = 6\n  }\n}\n"),
                         folder.text());
    // Nothing happened to what runs, but that it is in the file.
    CPPUNIT_ASSERT(folder.engine->current()->generation() == 3 && folder.engine->history().size() == 3);
    CPPUNIT_ASSERT(folder.journal.empty() && diff(wanted, folder.engine->current()->root()).empty());
    const Setting* hostname = folder.setting("", definition(key::hostname));
    CPPUNIT_ASSERT(hostname && !hostname->edited);
    CPPUNIT_ASSERT_EQUAL(folder.at("impulse.conf") + ":2:1", hostname->origin.to_string());
    CPPUNIT_ASSERT(folder.engine->drift().changes.empty());
    const Report reload = folder.engine->reload({}, {"SIGHUP"});
    CPPUNIT_ASSERT(reload.ok && reload.changes.empty() && reload.dropped_edits.empty());
    // And on from there.
    ASSERT_OK(folder.unset("esmtp_listener listen :25 max_errors"));
    written(folder.engine->writeback({}, {"console: alice"}));
    CPPUNIT_ASSERT(!holds(folder.text(), "Max_Errors"));
  }

  void nothing_to_write() {
    Folder folder;
    const std::string text = "Hostname   =  a.example\n";
    folder.start(text);
    const WritebackReport report = folder.engine->writeback({}, {"console: alice"});
    written(report);
    CPPUNIT_ASSERT(report.files.empty());
    CPPUNIT_ASSERT_EQUAL(text, folder.text());
  }

  // Also when what was changed is nothing that was edited here: a hand's work is not taken back.
  void a_file_that_changed_underneath() {
    Folder folder;
    folder.start("Hostname = a.example\nMax_Retries = 3\n");
    ASSERT_OK(folder.set("hostname b.example"));
    const std::string by_hand = "Hostname = a.example\nMax_Retries = 4\n";
    folder.write("impulse.conf", by_hand);
    const SnapshotPtr before = folder.engine->current();
    refused(Errc::conflict, "has changed since it was read", folder.engine->writeback({}, {"console: alice"}));
    refused(Errc::conflict, "has changed since it was read",
            folder.engine->writeback(folder.at("impulse.conf"), {"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(by_hand, folder.text());
    CPPUNIT_ASSERT(folder.engine->current() == before && folder.setting("", definition(key::hostname))->edited);
    ASSERT_OK(folder.engine->reload({}, {"SIGHUP"}));
    ASSERT_OK(folder.set("hostname b.example"));
    written(folder.engine->writeback({}, {"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname = b.example\nMax_Retries = 4\n"), folder.text());
    std::filesystem::remove(folder.at("impulse.conf"));
    CPPUNIT_ASSERT(!folder.engine->writeback({}, {"console: alice"}).ok);
  }

  // A value of an older file, brought back: its text is no longer there.
  void reverted_values_are_written() {
    Folder folder;
    folder.start(
        "Hostname = \"a.example\"\nESMTP_Listener { Smtp_Extensions = ( PIPELINING ) Listen \":25\" { }\nListen "
        "\":26\" { Peer 10.0.0.1 { Max_Errors = 7 } } }\n");
    folder.write("impulse.conf", "Hostname = b.example\nESMTP_Listener { Listen \":25\" { } }\n");
    ASSERT_OK(folder.engine->reload({}, {"SIGHUP"}));
    ASSERT_OK(folder.engine->revert(1, {"console: alice"}));
    const ScopePtr wanted = folder.engine->current()->root();
    written(folder.engine->writeback({}, {"console: alice"}));
    ASSERT_HOLDS("a.example", folder.text());
    ASSERT_HOLDS("( PIPELINING )", folder.text());
    ASSERT_HOLDS("Max_Errors = 7", folder.text());
    ASSERT_OK(folder.engine->reload({}, {"SIGHUP"}));
    CPPUNIT_ASSERT(diff(wanted, folder.engine->current()->root()).empty());
  }

  void local_changes() {
    Folder folder;
    const std::string main = "Local_Changes_File = local.conf\nLocal_Changes_Only = true\nHostname = a.example\n";
    folder.start(main);
    ASSERT_OK(folder.set("hostname b.example"));
    const WritebackReport report = folder.engine->writeback({}, {"console: alice"});
    written(report);
    ASSERT_HOLDS("b.example", folder.text("local.conf"));
    ASSERT_HOLDS(main, folder.text());
    CPPUNIT_ASSERT(!folder.setting("", definition(key::hostname))->edited);
    CPPUNIT_ASSERT(folder.engine->drift().changes.empty());
  }

  void all_into_another_file() {
    Folder folder;
    const std::string main = "TLS_Key_Password = hunter2\nESMTP_Listener { Listen \":25\" { } }\n";
    folder.start(main);
    ASSERT_OK(folder.set("hostname b.example"));
    for (int i = 0; i < 2; ++i) {  // the second time over the first
      const WritebackReport report = folder.engine->writeback("copy.conf", {"console: alice"});
      written(report);
      CPPUNIT_ASSERT_EQUAL(folder.at("copy.conf") + "\n", lines(report.files));
      const Built copy = build(load(folder.at("copy.conf"), {}));
      CPPUNIT_ASSERT(!has_errors(copy.diagnostics));
      CPPUNIT_ASSERT(diff(folder.engine->current()->root(), copy.root).empty());
    }
    // The main file is what it was, and so is the edit.
    CPPUNIT_ASSERT_EQUAL(main, folder.text());
    CPPUNIT_ASSERT(folder.setting("", definition(key::hostname))->edited);
    CPPUNIT_ASSERT_EQUAL(folder.at("impulse.conf"), folder.engine->file());
    CPPUNIT_ASSERT(!folder.engine->writeback("no/such/folder.conf", {"console: alice"}).ok);
  }

  // What is written there is read at another place, or before what else is said.
  void all_into_an_included_file() {
    Folder folder;
    const std::string part = "Listen \":25\" { }\n";
    folder.write("part.conf", part);
    folder.write("fixed.conf", "Max_Retries = 3\n");
    folder.start("readonly_include \"fixed.conf\"\nESMTP_Listener { include \"part.conf\" }\n");
    ASSERT_OK(folder.set("hostname b.example"));
    refused(Errc::exists, "part.conf is a part of the configuration",
            folder.engine->writeback("part.conf", {"console: alice"}));
    refused(Errc::exists, "is a part of the configuration",
            folder.engine->writeback(
                "../" + std::filesystem::path(folder.at("")).parent_path().filename().string() + "/part.conf",
                {"console: alice"}));
    refused(Errc::denied, "fixed.conf is included read-only",
            folder.engine->writeback("fixed.conf", {"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(part, folder.text("part.conf"));
    CPPUNIT_ASSERT_EQUAL(std::string("Max_Retries = 3\n"), folder.text("fixed.conf"));
    // At the end of the outermost scope it may say it all again.
    folder.write("last.conf", "");
    folder.write("impulse.conf", "include \"last.conf\"\n");
    ASSERT_OK(folder.engine->reload({}, {"console: alice"}));
    ASSERT_OK(folder.set("hostname c.example"));
    written(folder.engine->writeback("last.conf", {"console: alice"}));
    CPPUNIT_ASSERT(folder.engine->drift().changes.empty());
  }

  void all_into_the_main_file() {
    Folder folder;
    folder.write("part.conf", "Max_Retries = 3\n");
    folder.start("include \"part.conf\"\nHostname = a.example\n");
    ASSERT_OK(folder.set("hostname b.example"));
    written(folder.engine->writeback("impulse.conf", {"console: alice"}));
    CPPUNIT_ASSERT(!folder.setting("", definition(key::hostname))->edited);
    CPPUNIT_ASSERT(!holds(folder.text(), "include"));
    CPPUNIT_ASSERT(folder.engine->drift().changes.empty());
    ASSERT_OK(folder.set("hostname c.example"));
    written(folder.engine->writeback({}, {"console: alice"}));
  }

  void what_is_no_configuration_stays() {
    Folder folder;
    folder.start("Hostname = a.example\n");
    const std::string other = "root:x:0:0:root:/root:/bin/bash\n";
    folder.write("passwd", other);
    refused(Errc::exists, "is no configuration", folder.engine->writeback(folder.at("passwd"), {"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(other, folder.text("passwd"));
  }

  void not_now() {
    Folder folder;
    refused(Errc::busy, "no configuration is loaded yet", folder.engine->writeback({}, {"console: alice"}));
    folder.start("Hostname = a.example\n");
    const auto mine = *folder.engine->begin({}, {"console: alice"});
    ASSERT_OK(Rig::set(*mine, "hostname b.example"));
    ASSERT_OK(mine->commit({"console: alice"}, std::chrono::seconds(60)));
    refused(Errc::busy, "waits to be confirmed", folder.engine->writeback({}, {"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname = a.example\n"), folder.text());
    ASSERT_OK(folder.engine->confirm({"console: alice"}));
    written(folder.engine->writeback({}, {"console: alice"}));
    CPPUNIT_ASSERT_EQUAL(std::string("Hostname = b.example\n"), folder.text());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(EngineWritebackTest);

}  // namespace
