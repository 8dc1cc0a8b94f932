// The engine: load, reload, set, unset; participants that fail at each phase.
#include "kit.h"

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

// Writes down what it is told, and fails where it shall.
class Fake : public Participant {
 public:
  Fake(std::string name, std::string& journal) : name_(std::move(name)), journal_(journal) {}
  std::string fail_in;

  void check(const Snapshot& next, Diagnostics& diagnostics) override {
    note(fmt::format("check{}", next.generation()));
    if (fail_in == "check")
      diagnostics.push_back({Diagnostic::Severity::error, "fake", {}, 1, name_ + " does not like it", {}, {}});
  }
  Result<> prepare(const SnapshotPtr& current, const SnapshotPtr& next) override {
    note(fmt::format("prepare{}>{}", current ? current->generation() : 0, next->generation()));
    if (fail_in == "prepare") return fail(Errc::exists, "{}: address in use", name_);
    return {};
  }
  void abort() noexcept override { note("abort"); }
  void apply(const SnapshotPtr& next) noexcept override { note(fmt::format("apply{}", next->generation())); }
  void finish() noexcept override { note("finish"); }

 private:
  void note(const std::string& what) { journal_ += name_ + ":" + what + " "; }
  std::string name_;
  std::string& journal_;
};

class EngineTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(EngineTest);
  CPPUNIT_TEST(load_publishes_generation_one);
  CPPUNIT_TEST(load_refuses_mistakes);
  CPPUNIT_TEST(load_of_a_missing_file);
  CPPUNIT_TEST(check_only_touches_nothing);
  CPPUNIT_TEST(phases_come_in_order);
  CPPUNIT_TEST(failing_check_changes_nothing);
  CPPUNIT_TEST(failing_prepare_aborts_in_reverse);
  CPPUNIT_TEST(reload_of_the_same_is_unchanged);
  CPPUNIT_TEST(reload_follows_moved_lines);
  CPPUNIT_TEST(reload_reports_changes);
  CPPUNIT_TEST(reload_with_a_mistake_changes_nothing);
  CPPUNIT_TEST(reload_drops_edits_and_says_which);
  CPPUNIT_TEST(set_and_unset);
  CPPUNIT_TEST(set_warns_of_what_it_did_only);
  CPPUNIT_TEST(set_creates_missing_scopes);
  CPPUNIT_TEST(set_of_the_same_value_is_unchanged);
  CPPUNIT_TEST(set_refuses_and_places);
  CPPUNIT_TEST(unset_refuses);
  CPPUNIT_TEST(unset_of_scopes);
  CPPUNIT_TEST(edits_before_load_are_refused);
  CPPUNIT_TEST(restart_options_say_so);
  CPPUNIT_TEST(secrets_stay_out_of_reports);
  CPPUNIT_TEST(old_snapshots_stay_whole);
  CPPUNIT_TEST(a_thousand_sets);
  CPPUNIT_TEST_SUITE_END();

  Files files_;
  std::string journal_;
  std::unique_ptr<Fake> a_, b_, c_;
  std::unique_ptr<Engine> engine_;

 public:
  void setUp() override {
    journal_.clear();
    files_.texts.clear();
    a_ = std::make_unique<Fake>("a", journal_);
    b_ = std::make_unique<Fake>("b", journal_);
    c_ = std::make_unique<Fake>("c", journal_);
    engine_ = Engine::create({"impulse.conf", files_.options()});
    for (Fake* fake : {a_.get(), b_.get(), c_.get()}) engine_->add_participant(*fake);
  }

 private:
  void file(const std::string& text) { files_.texts["impulse.conf"] = text; }
  void start(const std::string& text) {
    file(text);
    const Report report = engine_->load();
    CPPUNIT_ASSERT_MESSAGE(all(report.diagnostics) + report.error, report.ok);
    journal_.clear();
  }
  // "config set" as the console does it: path, option, value from one line.
  Report edit(const std::string& line, bool set = true) {
    const auto source = typed(line);
    const ParsedLine parsed = parse_line(source);
    std::vector<std::string> words;
    for (const RawValue& value : parsed.words) words.push_back(value.text);
    const auto found = read_path(words);
    CPPUNIT_ASSERT_MESSAGE(found ? "" : found.error().message, found.has_value());
    const std::string option = found->used < words.size() ? words[found->used] : "";
    if (!set) return engine_->unset(found->path, option, source);
    CPPUNIT_ASSERT_EQUAL(words.size(), found->used + 2);
    return engine_->set(found->path, option, parsed.words.back(), source);
  }
  Report reload() { return engine_->reload({}, {"test"}); }
  Report unset(const std::string& line) { return edit(line, false); }
  static std::string changes(const Report& report) {
    std::string text;
    for (const Change& change : report.changes) text += change.to_string() + "\n";
    return text;
  }
  template <class T>
  T value(Key<T> key) {
    return engine_->current()->global()[key];
  }

  void load_publishes_generation_one() {
    CPPUNIT_ASSERT(!engine_->current());
    CPPUNIT_ASSERT_EQUAL(std::string("impulse.conf"), engine_->file());
    file("Hostname = a.example\n");
    const Report report = engine_->load();
    CPPUNIT_ASSERT(report.ok && report.generation == 1 && !report.check_only);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, engine_->current()->generation());
    CPPUNIT_ASSERT_EQUAL(std::string("a.example"), value(key::hostname));
  }
  void load_refuses_mistakes() {
    file("Hostnam = a.example\nShutdown_Timeout = x\n");
    const Report report = engine_->load();
    CPPUNIT_ASSERT(!report.ok && report.code == Errc::invalid && !engine_->current());
    ASSERT_HOLDS("impulse.conf:1:1", all(report.diagnostics));
    ASSERT_HOLDS("impulse.conf:2:20", all(report.diagnostics));
    CPPUNIT_ASSERT_EQUAL(std::string(""), journal_);
    file("Hostname = a.example\n");  // mended
    CPPUNIT_ASSERT(engine_->load().ok);
  }
  void load_of_a_missing_file() {
    const Report report = engine_->load();
    CPPUNIT_ASSERT(!report.ok && has_errors(report.diagnostics));
    ASSERT_HOLDS("impulse.conf", all(report.diagnostics));
  }
  void check_only_touches_nothing() {
    file("Hostname = a.example\n");
    Report report = engine_->load(true);
    CPPUNIT_ASSERT(report.ok && report.check_only && !engine_->current());
    CPPUNIT_ASSERT_EQUAL(std::string("a:check1 b:check1 c:check1 "), journal_);
    start("Hostname = a.example\n");
    file("Hostname = b.example\n");
    report = engine_->reload({true, {}}, {"test"});
    CPPUNIT_ASSERT(report.ok && report.check_only && report.generation == 1);
    CPPUNIT_ASSERT_EQUAL(std::string("global: Hostname a.example -> b.example (next-session)\n"), changes(report));
    CPPUNIT_ASSERT_EQUAL(std::string("a.example"), value(key::hostname));
    CPPUNIT_ASSERT_EQUAL(std::string("a:check2 b:check2 c:check2 "), journal_);
  }
  void phases_come_in_order() {
    file("");
    CPPUNIT_ASSERT(engine_->load().ok);
    CPPUNIT_ASSERT_EQUAL(std::string("a:check1 b:check1 c:check1 a:prepare0>1 b:prepare0>1 c:prepare0>1 "
                                     "a:apply1 b:apply1 c:apply1 a:finish b:finish c:finish "),
                         journal_);
  }
  void failing_check_changes_nothing() {
    start("Hostname = a.example\n");
    const SnapshotPtr before = engine_->current();
    b_->fail_in = "check";
    const Report report = edit("hostname b.example");
    CPPUNIT_ASSERT(!report.ok && report.changes.empty() && report.generation == 1);
    ASSERT_HOLDS("b does not like it", all(report.diagnostics));
    CPPUNIT_ASSERT_EQUAL(std::string("a:check2 b:check2 c:check2 "), journal_);  // all mistakes at once
    CPPUNIT_ASSERT(engine_->current() == before);
  }
  void failing_prepare_aborts_in_reverse() {
    start("Hostname = a.example\n");
    const SnapshotPtr before = engine_->current();
    const std::vector<std::pair<Fake*, std::string>> cases{
        {a_.get(), "a:prepare1>2 "},
        {b_.get(), "a:prepare1>2 b:prepare1>2 a:abort "},
        {c_.get(), "a:prepare1>2 b:prepare1>2 c:prepare1>2 b:abort a:abort "}};
    for (const auto& [fake, expected] : cases) {
      journal_.clear();
      fake->fail_in = "prepare";
      const Report report = edit("hostname b.example");
      CPPUNIT_ASSERT(!report.ok && report.code == Errc::exists);
      ASSERT_HOLDS("address in use", report.error);
      CPPUNIT_ASSERT_EQUAL("a:check2 b:check2 c:check2 " + expected, journal_);
      CPPUNIT_ASSERT(engine_->current() == before);
      fake->fail_in.clear();
    }
    const Report report = edit("hostname b.example");
    CPPUNIT_ASSERT(report.ok && report.generation == 2);
  }
  void reload_of_the_same_is_unchanged() {
    start("Hostname = a.example\nESMTP_Listener { Listen \":25\" { } }\n");
    const Report report = reload();
    CPPUNIT_ASSERT(report.ok && report.changes.empty() && report.generation == 1 && report.dropped_edits.empty());
    CPPUNIT_ASSERT_EQUAL(std::string("a:check1 b:check1 c:check1 "), journal_);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, engine_->current()->generation());
  }
  void reload_follows_moved_lines() {
    start("Hostname = a.example\n");
    file("# a comment\nHostname = a.example\n");
    CPPUNIT_ASSERT(reload().changes.empty());
    const auto rungs = engine_->current()->explain({}, definition(key::hostname));
    CPPUNIT_ASSERT_EQUAL(std::string("impulse.conf:2:1"), rungs[0].origin.to_string());
  }
  void reload_reports_changes() {
    start("Hostname = a.example\nESMTP_Listener { Listen \":25\" { Max_Errors = 1 } Listen \":26\" { } }\n");
    file("ESMTP_Listener { Listen \":25\" { Max_Errors = 2 Enable = no } Listen \":27\" { } }\nMax_Retries = 3\n");
    const Report report = reload();
    CPPUNIT_ASSERT(report.ok && report.generation == 2);
    const std::string text = changes(report);
    for (const char* line :
         {"global: Hostname a.example -> (unset) (next-session)\n", "global: Max_Retries (unset) -> 3 (live)\n",
          "esmtp_listener listen *:25: Enable (unset) -> false (live)\n",
          "esmtp_listener listen *:25: Max_Errors 1 -> 2 (next-message)\n",
          "esmtp_listener listen *:26: removed (relisten)\n", "esmtp_listener listen *:27: added (relisten)\n"})
      ASSERT_HOLDS(line, text);
    CPPUNIT_ASSERT_EQUAL(size_t{6}, report.changes.size());
  }
  void reload_with_a_mistake_changes_nothing() {
    start("Hostname = a.example\n");
    CPPUNIT_ASSERT(edit("max_retries 5").ok);
    const SnapshotPtr before = engine_->current();
    for (const char* text : {"Hostname = \n", "Hostname = b.example }\n", "Hostname = b.example\nFoo = 1\n",
                             "Delivery_Method = maildir\n"}) {
      file(text);
      const Report report = reload();
      CPPUNIT_ASSERT_MESSAGE(text, !report.ok && has_errors(report.diagnostics));
      CPPUNIT_ASSERT(report.dropped_edits.empty() && report.generation == 2);
      CPPUNIT_ASSERT(engine_->current() == before);
    }
    files_.texts.clear();
    CPPUNIT_ASSERT(!reload().ok && engine_->current() == before);
  }
  void reload_drops_edits_and_says_which() {
    start("Hostname = a.example\nESMTP_Listener { Listen \":25\" { Max_Errors = 1 } }\n");
    CPPUNIT_ASSERT(edit("hostname b.example").ok);
    CPPUNIT_ASSERT(edit("esmtp_listener listen :25 peer 10.0.0.1 deny true").ok);
    CPPUNIT_ASSERT(unset("esmtp_listener listen :25 max_errors").ok);
    CPPUNIT_ASSERT(edit("max_retries 7").ok);
    // Somebody wrote one of the edits into the file meanwhile.
    file("Hostname = a.example\nMax_Retries = 7\nESMTP_Listener { Listen \":25\" { Max_Errors = 1 } }\n");
    const Report report = reload();
    CPPUNIT_ASSERT(report.ok);
    CPPUNIT_ASSERT_EQUAL(size_t{4}, report.dropped_edits.size());
    std::string dropped;
    for (const std::string& edit : report.dropped_edits) dropped += edit + "\n";
    ASSERT_HOLDS("Hostname a.example -> b.example", dropped);
    ASSERT_HOLDS("peer 10.0.0.1: added", dropped);
    ASSERT_HOLDS("peer 10.0.0.1: Deny (unset) -> true", dropped);
    ASSERT_HOLDS("Max_Errors 1 -> (unset)", dropped);
    CPPUNIT_ASSERT_EQUAL(std::string("a.example"), value(key::hostname));
    CPPUNIT_ASSERT(reload().dropped_edits.empty());
  }
  void set_and_unset() {
    start("ESMTP_Listener { Listen \"*:25\" { } }\n");
    Report report = edit("ESMTP_listener LISTEN :25 Enable = false");
    CPPUNIT_ASSERT_MESSAGE(all(report.diagnostics) + report.error, report.ok);
    CPPUNIT_ASSERT_EQUAL(std::string("esmtp_listener listen *:25: Enable (unset) -> false (live)\n"), changes(report));
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, report.generation);
    CPPUNIT_ASSERT(!engine_->current()->listens().front()->enabled());
    const ScopePtr listen = find_scope(engine_->current()->root(),
                                       read_path(std::vector<std::string>{"esmtp_listener", "listen", ":25"})->path);
    const Setting* setting = listen->find(definition(key::enable));
    CPPUNIT_ASSERT(setting && setting->edited);
    CPPUNIT_ASSERT_EQUAL(std::string("console: alice:1:27"), setting->origin.to_string());
    report = unset("esmtp_listener listen :25 enable");
    CPPUNIT_ASSERT(report.ok && report.generation == 3);
    CPPUNIT_ASSERT(engine_->current()->listens().front()->enabled());
    CPPUNIT_ASSERT(diff(engine_->current()->root(), tree("ESMTP_Listener { Listen \"*:25\" { } }\n")).empty());
  }
  // Warnings of the files belong to load and reload.
  void set_warns_of_what_it_did_only() {
    struct Warning : Participant {
      void check(const Snapshot& next, Diagnostics& diagnostics) override {
        if (next.global()[key::hostname] == "a.example")
          diagnostics.push_back({Diagnostic::Severity::warning, "fake", {}, 1, "a is a bad name", {}, {}});
        if (next.global()[key::shutdown_timeout] < std::chrono::seconds(5))
          diagnostics.push_back({Diagnostic::Severity::warning, "fake", {}, 1, "that is short", {}, {}});
      }
      void apply(const SnapshotPtr&) noexcept override {}
    } warning;
    start("Hostname = a.example\nESMTP_Listener { Listen \"127.0.0.1:0\" { } }\n");
    engine_->add_participant(warning);
    Report report = reload();
    ASSERT_HOLDS("config-any-port", report.diagnostics.front().id);
    ASSERT_HOLDS("a is a bad name", all(report.diagnostics));
    CPPUNIT_ASSERT_EQUAL(std::string(), all(edit("max_retries 3").diagnostics));
    ASSERT_HOLDS("that is short", all(edit("shutdown_timeout 4").diagnostics));
    CPPUNIT_ASSERT_EQUAL(std::string(), all(edit("shutdown_timeout 3").diagnostics));
    CPPUNIT_ASSERT_EQUAL(std::string(), all(unset("max_retries").diagnostics));
    CPPUNIT_ASSERT(edit("hostname b.example").diagnostics.empty());
    ASSERT_HOLDS("a is a bad name", all(edit("hostname a.example").diagnostics));
    report = reload();
    ASSERT_HOLDS("a is a bad name", all(report.diagnostics));
  }
  void set_creates_missing_scopes() {
    start("");
    CPPUNIT_ASSERT(edit("esmtp_listener listen :2525 enable true").ok);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, engine_->current()->listens().size());
    CPPUNIT_ASSERT(edit("esmtp_listener listen :2525 peer 10.1.2.3/8 max_errors 3").ok);
    const auto& conf = *engine_->current()->listens().front();
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, conf.for_peer(ip("10.9.9.9"))[key::max_errors]);
    CPPUNIT_ASSERT(edit("domain Example.com max_retries 3").ok);
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, engine_->current()->for_domain("example.com")[key::max_retries]);
  }
  void set_of_the_same_value_is_unchanged() {
    start("Max_Message_Size = 1M\n");
    const Report report = edit("max_message_size 1024K");
    CPPUNIT_ASSERT(report.ok && report.changes.empty() && report.generation == 1);
    CPPUNIT_ASSERT(reload().dropped_edits.empty());
  }
  void set_refuses_and_places() {
    start("Hostname = a.example\nESMTP_Listener { Listen \":25\" { } }\n");
    const SnapshotPtr before = engine_->current();
    const std::vector<std::pair<std::string, std::string>> cases{
        {"hostnam x.example", "console: alice:1:1: error: unknown option 'hostnam'"},
        {"hostnam x.example", "did you mean 'Hostname'?"},
        {"domain a.example hostname x.example", "console: alice:1:18: error: Hostname may not stand in Domain"},
        {"domain a.example hostname x.example", "it may stand in the global scope"},
        {"shutdown_timeout soon", "console: alice:1:18: error: Shutdown_Timeout: expected a duration"},
        {"esmtp_listener trust_forwarded x", "Trust_Forwarded is not available in this version"},
        {"esmtp_listener tenant a/b", "console: alice:1:23: error: Tenant: expected a name of at most 64 letters"},
        {"esmtp_listener listen :25 tls_certificate foo", "there is no Certificate \"foo\""},
        {"esmtp_listener listen :25 use_ssl on", "Use_SSL needs a TLS_Certificate"},
        {"delivery_method maildir", "needs a Maildir_Path"},
        {"control_listener listen :25 enable yes", "stands in ESMTP_Listener and in Control_Listener"}};
    for (const auto& [line, message] : cases) {
      const Report report = edit(line);
      CPPUNIT_ASSERT_MESSAGE(line, !report.ok && report.code == Errc::invalid && report.generation == 1);
      ASSERT_HOLDS(message, all(report.diagnostics) + report.error);
      CPPUNIT_ASSERT(engine_->current() == before);
    }
    // Paths that the caller made itself are looked at too.
    const Report report = engine_->set({{ScopeKind::peer, "10.0.0.1"}}, "deny", word("true"), typed("x"));
    CPPUNIT_ASSERT(!report.ok);
    ASSERT_HOLDS("Peer may not stand in the global scope", report.error);
  }
  void unset_refuses() {
    start("Hostname = a.example\n");
    const SnapshotPtr before = engine_->current();
    CPPUNIT_ASSERT(unset("max_retries").code == Errc::not_found);
    ASSERT_HOLDS("Max_Retries is not set in the global scope", unset("max_retries").error);
    CPPUNIT_ASSERT(unset("domain a.example max_retries").code == Errc::not_found);
    ASSERT_HOLDS("there is no domain a.example", unset("domain a.example max_retries").error);
    ASSERT_HOLDS("did you mean 'Hostname'?", all(unset("hostnam").diagnostics));
    CPPUNIT_ASSERT(!engine_->unset({}, "", typed("")).ok);
    CPPUNIT_ASSERT(engine_->current() == before);
  }
  void unset_of_scopes() {
    start(
        "Certificate main { Cert = /c Private_Key = /k }\nESMTP_Listener { TLS_Certificate = main Listen \":25\" { } "
        "}\n");
    ASSERT_HOLDS("there is no Certificate", all(unset("certificate main").diagnostics));
    Report report = unset("esmtp_listener listen :25");
    CPPUNIT_ASSERT(report.ok && engine_->current()->listens().empty());
    CPPUNIT_ASSERT_EQUAL(std::string("esmtp_listener listen *:25: removed (relisten)\n"), changes(report));
    CPPUNIT_ASSERT(unset("esmtp_listener").ok);
    CPPUNIT_ASSERT(unset("certificate main").ok);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, engine_->current()->root()->child_count());
  }
  void edits_before_load_are_refused() {
    CPPUNIT_ASSERT(!edit("hostname a.example").ok);
    CPPUNIT_ASSERT(!unset("hostname").ok);
    CPPUNIT_ASSERT(!engine_->current());
  }
  void restart_options_say_so() {
    start("Spoolbase = /a\n");
    const Report report = edit("spoolbase /b");
    CPPUNIT_ASSERT_EQUAL(std::string("global: Spoolbase /a -> /b (restart)\n"), changes(report));
    CPPUNIT_ASSERT_EQUAL(std::string("/a"), value(key::spoolbase));
    CPPUNIT_ASSERT(engine_->current()->pending(definition(key::spoolbase)));
    CPPUNIT_ASSERT(reload().ok);
    CPPUNIT_ASSERT(!engine_->current()->pending(definition(key::spoolbase)));
  }
  void secrets_stay_out_of_reports() {
    start("TLS_Key_Password = hunter2\n");
    const Report report = edit("tls_key_password hunter3");
    CPPUNIT_ASSERT(report.ok);
    CPPUNIT_ASSERT_EQUAL(std::string("global: TLS_Key_Password (redacted) -> (redacted) (next-session)\n"),
                         changes(report));
    CPPUNIT_ASSERT_EQUAL(std::string("(redacted)"),
                         engine_->current()->explain({}, definition(key::tls_key_password))[0].text);
  }
  void old_snapshots_stay_whole() {
    start("Hostname = a.example\nESMTP_Listener { Peer 10.0.0.1 { Max_Errors = 1 } Listen \":25\" { } }\n");
    const SnapshotPtr pinned = engine_->current();
    for (int i = 2; i < 20; ++i) CPPUNIT_ASSERT(edit(fmt::format("esmtp_listener peer 10.0.0.1 max_errors {}", i)).ok);
    CPPUNIT_ASSERT(unset("esmtp_listener").ok);
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, pinned->listens().front()->for_peer(ip("10.0.0.1"))[key::max_errors]);
    CPPUNIT_ASSERT_EQUAL(std::string("a.example"), pinned->global()[key::hostname]);
  }
  void a_thousand_sets() {
    std::string text = "ESMTP_Listener { Listen \":25\" {\n";
    for (int i = 0; i < 2000; ++i) text += fmt::format("Peer 10.0.{}.{} {{ Max_Errors = 5 }}\n", i / 250, i % 250);
    start(text + "} }\n");
    for (int i = 0; i < 1000; ++i)
      CPPUNIT_ASSERT(
          edit(fmt::format("esmtp_listener listen :25 peer 10.0.{}.{} max_errors {}", i / 250, i % 250, i + 10)).ok);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1001}, engine_->current()->generation());
    const auto& conf = *engine_->current()->listens().front();
    CPPUNIT_ASSERT_EQUAL(int64_t{1009}, conf.for_peer(ip("10.0.3.249"))[key::max_errors]);
    CPPUNIT_ASSERT_EQUAL(int64_t{5}, conf.for_peer(ip("10.0.4.0"))[key::max_errors]);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(EngineTest);

}  // namespace
