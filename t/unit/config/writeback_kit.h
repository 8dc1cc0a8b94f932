// For the tests of writeback: configurations of several files, edited, written and read again.
#pragma once

#include "config/setting.h"
#include "config/writeback.h"
#include "config/writeback_order.h"
#include "kit.h"

#include <set>

namespace impulse::config::test {

class Book {
 public:
  explicit Book(std::map<std::string, std::string> texts) { files_.texts = std::move(texts); }
  explicit Book(const char* main) : Book(std::string(main)) {}
  explicit Book(const std::string& main) : Book(std::map<std::string, std::string>{{"main.conf", main}}) {}

  std::string& operator[](const std::string& name) { return files_.texts[name]; }
  const std::map<std::string, std::string>& texts() const { return files_.texts; }

  WritebackRules rules;
  std::set<std::string> locked;  // by permissions

  Loaded loaded() { return load("main.conf", files_.options()); }

  ScopePtr tree() {
    Built built = build(loaded());
    CPPUNIT_ASSERT_MESSAGE(all(built.diagnostics), !has_errors(built.diagnostics));
    return built.root;
  }

  // The words of "config set" and "config unset", on the candidate.
  Book& set(const std::vector<std::string>& words, const std::string& option, const std::string& value) {
    const ScopePath path = path_of(words);
    auto source = typed(value);
    ParsedValue parsed = parse_value(source);
    CPPUNIT_ASSERT_MESSAGE(all(parsed.diagnostics), parsed.value.has_value());
    CheckedSetting checked =
        check_setting(path.empty() ? ScopeKind::global : path.back().kind, option, {1, 1}, *parsed.value, source, true);
    CPPUNIT_ASSERT_MESSAGE(all(checked.diagnostics), checked.setting != nullptr);
    return edit(path, [&](const ScopePtr& scope) { return scope->with_setting(checked.setting); });
  }
  Book& unset(const std::vector<std::string>& words, const std::string& option) {
    return edit(path_of(words), [&](const ScopePtr& scope) { return scope->without_setting(*find_option(option)); });
  }
  Book& drop(const std::vector<std::string>& words) {
    return edit(path_of(words), [](const ScopePtr&) { return ScopePtr(); });
  }
  Book& open(const std::vector<std::string>& words) {
    return edit(path_of(words), [](const ScopePtr& scope) { return scope; });
  }
  Book& edit(const ScopePath& path, const std::function<ScopePtr(const ScopePtr&)>& change) {
    wanted_ = edit_scope(wanted(), path, {}, change);
    return *this;
  }
  const ScopePtr& wanted() {
    if (!wanted_) wanted_ = tree();
    return wanted_;
  }

  Result<WritebackPlan> plan() {
    rules.writable = [this](const std::string& path) { return !locked.contains(path); };
    rules.read_file = files_.options().read_file;
    return plan_writeback(loaded(), wanted(), rules);
  }
  // Plans, writes into the texts, and reads them again: they say what was wanted.
  WritebackPlan write() {
    const ScopePtr after = wanted();
    auto planned = plan();
    CPPUNIT_ASSERT_MESSAGE(planned ? "" : planned.error().message, planned.has_value());
    for (const FileEdit& file : planned->files) {
      CPPUNIT_ASSERT_EQUAL(file.created, !files_.texts.contains(file.path));
      if (!file.created) CPPUNIT_ASSERT_EQUAL(files_.texts.at(file.path), file.before);
      CPPUNIT_ASSERT_MESSAGE(file.path, !locked.contains(file.path));
      files_.texts[file.path] = file.after;
    }
    const auto changes = diff(tree(), after);
    CPPUNIT_ASSERT_MESSAGE(changes.empty() ? "" : changes.front().to_string(), changes.empty());
    CPPUNIT_ASSERT(pattern_order(tree()) == pattern_order(after));
    wanted_ = nullptr;
    return std::move(*planned);
  }
  std::string refusal() {
    auto planned = plan();
    CPPUNIT_ASSERT(!planned.has_value());
    return planned.error().message;
  }

 private:
  static ScopePath path_of(const std::vector<std::string>& words) {
    auto found = read_path(words);
    CPPUNIT_ASSERT_MESSAGE(found ? "" : found.error().message, found.has_value());
    CPPUNIT_ASSERT_EQUAL(words.size(), found->used);
    return found->path;
  }

  Files files_;
  ScopePtr wanted_;
};

}  // namespace impulse::config::test
