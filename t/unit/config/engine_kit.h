// What the engine's tests share: an engine over fake files and a fake clock,
// edits from console lines, participants that fail where they shall.
#pragma once

#include "kit.h"

#include <optional>
#include <utility>

namespace impulse::config::test {

// Writes down what it is told, keeps a state as a socket or a log would, and fails where it shall.
class Recorder : public Participant {
 public:
  Recorder(std::string name, std::string& journal) : name_(std::move(name)), journal_(journal) {}
  std::string fail_in;
  uint64_t running = 0;   // the generation it follows
  uint64_t acquired = 0;  // by a prepare that is neither aborted nor applied

  void check(const Snapshot&, Diagnostics& diagnostics) override {
    if (fail_in == "check")
      diagnostics.push_back({Diagnostic::Severity::error, "fake", {}, 1, name_ + " does not like it", {}, {}});
  }
  Result<> prepare(const SnapshotPtr&, const SnapshotPtr& next) override {
    note("prepare");
    if (fail_in == "prepare") return fail(Errc::exists, "{}: address in use", name_);
    acquired = next->generation();
    return {};
  }
  void abort() noexcept override {
    note("abort");
    acquired = 0;
  }
  void apply(const SnapshotPtr& next) noexcept override {
    note("apply");
    running = next->generation();
    acquired = 0;
  }
  void finish() noexcept override { note("finish"); }
  void refreshed() noexcept override { note("refreshed"); }

 private:
  void note(const std::string& what) { journal_ += name_ + ":" + what + " "; }
  std::string name_;
  std::string& journal_;
};

inline constexpr const char* two_listens =
    "Hostname = a.example\nESMTP_Listener {\n  Listen \":25\" { Max_Errors = 5 }\n  Listen \":26\" { Peer 10.0.0.1 { "
    "Deny = true } }\n}\n";

class Rig {
 public:
  Files files;
  WallTime clock{std::chrono::seconds(1'000'000)};
  std::vector<std::string> notices;
  std::unique_ptr<Engine> engine;

  Rig() {
    EngineSettings settings;
    settings.file = "impulse.conf";
    settings.load = files.options();
    settings.now = [this] { return clock; };
    settings.notice = [this](std::string_view line) { notices.emplace_back(line); };
    engine = Engine::create(std::move(settings));
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;
  virtual ~Rig() = default;

  void file(const std::string& text) { files.texts["impulse.conf"] = text; }
  void start(const std::string& text) {
    file(text);
    const Report report = engine->load();
    CPPUNIT_ASSERT_MESSAGE(all(report.diagnostics) + report.error, report.ok);
  }

  struct Line {
    ScopePath path;
    std::string option;
    RawValue value;
    std::shared_ptr<const Source> source;
  };
  // "hostname a.example" by alice; "bob: hostname a.example" by bob.
  static Line read(std::string text) {
    auto source = std::make_shared<Source>();
    source->name = "console: alice";
    if (text.starts_with("bob: ")) {
      source->name = "console: bob";
      text.erase(0, 5);
    }
    source->text = text;
    const ParsedLine parsed = parse_line(source);
    std::vector<std::string> words;
    for (const RawValue& value : parsed.words) words.push_back(value.text);
    const auto found = read_path(words);
    CPPUNIT_ASSERT_MESSAGE(text, found.has_value());
    Line line{found->path, {}, {}, source};
    if (found->used < words.size()) line.option = words[found->used];
    if (!parsed.words.empty()) line.value = parsed.words.back();
    return line;
  }
  Report set(const std::string& text) {
    const Line line = read(text);
    return engine->set(line.path, line.option, line.value, line.source);
  }
  Report unset(const std::string& text) {
    const Line line = read(text);
    return engine->unset(line.path, line.option, line.source);
  }
  static Report set(Transaction& transaction, const std::string& text) {
    const Line line = read(text);
    return transaction.set(line.path, line.option, line.value, line.source);
  }
  static Report unset(Transaction& transaction, const std::string& text) {
    const Line line = read(text);
    return transaction.unset(line.path, line.option, line.source);
  }
  // A line as Operation::to_string has it.
  static Report type(Transaction& transaction, const std::string& line) {
    if (line.starts_with("config set ")) return set(transaction, line.substr(11));
    CPPUNIT_ASSERT(line.starts_with("config unset "));
    return unset(transaction, line.substr(13));
  }
  std::shared_ptr<Transaction> begin(BeginOptions options = {}, const char* who = "console: alice") {
    auto begun = engine->begin(options, {who});
    CPPUNIT_ASSERT_MESSAGE(begun ? "" : begun.error().message, begun.has_value());
    return *begun;
  }

  uint64_t generation() const { return engine->current()->generation(); }
  const ScopePtr& root() const { return engine->current()->root(); }
  template <class T>
  T value(Key<T> key) const {
    return engine->current()->global()[key];
  }
  // The option's text in a scope of the tree; "-" when it is not set there.
  static std::string said(const ScopePtr& root, const std::string& path, const OptionDef& option) {
    const ScopePtr scope = find_scope(root, read(path).path);
    const Setting* setting = scope ? scope->find(option) : nullptr;
    return setting ? to_text(setting->value, option) : "-";
  }
  std::string said(const std::string& path, const OptionDef& option) const { return said(root(), path, option); }
};

inline std::string lines(const std::vector<Change>& changes) {
  std::string text;
  for (const Change& change : changes) text += change.to_string() + "\n";
  return text;
}
inline std::string lines(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += text + "\n";
  return all;
}
inline std::string lines(const std::vector<Operation>& operations) {
  std::string text;
  for (const Operation& operation : operations) text += operation.to_string() + "\n";
  return text;
}
// "3 commit by console: alice (2)" for each.
inline std::string lines(const std::vector<Generation>& generations) {
  std::string text;
  for (const Generation& g : generations)
    text += fmt::format("{} {} by {} ({})\n", g.number, g.what, g.by.name, g.changes);
  return text;
}

#define ASSERT_OK(report)                                                                                \
  do {                                                                                                   \
    const impulse::config::Report report_ = (report);                                                    \
    CPPUNIT_ASSERT_MESSAGE(impulse::config::test::all(report_.diagnostics) + report_.error, report_.ok); \
  } while (false)
#define ASSERT_REFUSED(errc, report)                                                                                 \
  do {                                                                                                               \
    const impulse::config::Report report_ = (report);                                                                \
    CPPUNIT_ASSERT_MESSAGE("it was done", !report_.ok);                                                              \
    CPPUNIT_ASSERT_MESSAGE(impulse::config::test::all(report_.diagnostics) + report_.error, report_.code == (errc)); \
  } while (false)

}  // namespace impulse::config::test
