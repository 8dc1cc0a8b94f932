// Writeback against chance: any valid configuration, laid out in any way over
// any files, edited in any way, is written so that it says what was wanted, and
// the lines that have nothing to do with it stay.
#include "base/text.h"
#include "config/catalogue.h"
#include "writeback_kit.h"

#include <algorithm>
#include <random>
#include <set>

namespace impulse::config::test {
namespace {

class Chance {
 public:
  explicit Chance(unsigned seed) : engine_(seed) {}
  size_t below(size_t bound) { return engine_() % bound; }
  bool one_in(size_t n) { return below(n) == 0; }
  template <class T>
  const T& of(const std::vector<T>& all) {
    return all[below(all.size())];
  }

 private:
  std::mt19937 engine_;
};

// Makes valid settings, scopes and texts of them.
class Writer {
 public:
  explicit Writer(unsigned seed) : chance(seed) {}

  Chance chance;
  std::map<std::string, std::string> files;

  std::string value(const OptionDef& option) {
    static const std::vector<std::string> words{
        "a", "b.example", "\"c\"", "'d e'", "/var/x", "10", "\"\\\"q\\\" \\\\\"", "x=y", "\"#5\"", "\"t\\tab\"", "p:q"};
    switch (option.type) {
      case Type::boolean:
        return chance.of<std::string>({"on", "FALSE", "\"yes\"", "0", "enabled"});
      case Type::integer:
        return std::to_string(chance.below(300));
      case Type::size:
        return chance.of<std::string>({"1", "64K", "\"10M\"", "4096"});
      case Type::duration:
        return chance.of<std::string>({"0", "1", "30s", "'5m'", "1h"});
      case Type::rate:
        return chance.of<std::string>({"3", "\"3/60\"", "9/10s"});
      case Type::octal:
        return chance.of<std::string>({"0660", "0600", "755"});
      case Type::enumeration:
        return std::string(chance.of(choices(option)));
      case Type::networks:
        return chance.of<std::string>({"( 10.0.0.0/8, ::1 )", "192.0.2.1", "( )", "(10.0.0.0/8 \"::/0\")"});
      case Type::globs:
        return chance.of<std::string>({"( example.com *.example.org )", "*", "( )"});
      case Type::dictionary:
        return chance.of<std::string>({"[ a = b, c = \"d e\" ]", "[ ]", "[k=(1 2)]"});
      case Type::size_or_percent:
        return chance.of<std::string>({"5%", "2G"});
      case Type::strings:
        return chance.of<std::string>({"( a b )", "a", "( \"x y\", z )", "( )"});
      case Type::string:
      case Type::secret:
      case Type::path:
        return chance.of(words);
    }
    return {};
  }

  // An option and a value that may stand in such a scope.
  struct Said {
    const OptionDef* option;
    std::string value;
    std::shared_ptr<const Setting> setting;
  };
  std::optional<Said> said(ScopeKind kind) {
    for (int tries = 0; tries < 40; ++tries) {
      const OptionDef& option = options()[chance.below(options().size())];
      if (!(option.scopes & in(kind)) || option.availability == Availability::unavailable) continue;
      const std::string text = value(option);
      auto source = typed(text);
      const ParsedValue parsed = parse_value(source);
      if (!parsed.value) continue;
      CheckedSetting checked = check_setting(kind, option.name, {1, 1}, *parsed.value, source, true);
      if (checked.setting) return Said{&option, text, checked.setting};
    }
    return std::nullopt;
  }

  // A scope that may stand in another: null when none may.
  const ScopeDef* scope_in(ScopeKind parent) {
    std::vector<const ScopeDef*> possible;
    for (const ScopeDef& scope : scopes())
      if (scope.kind != ScopeKind::global && scope.parents & in(parent)) possible.push_back(&scope);
    return possible.empty() ? nullptr : chance.of(possible);
  }
  std::string instance(const ScopeDef& scope) {
    for (;;) {
      const std::string name =
          chance.of<std::string>({"", "a", "b-c", "*:25", ":26", "[::1]:587", "10.0.0.0/8", "2001:db8::/32", "::1",
                                  "example.com", "Example.ORG", "/^a\\.(b|c)$/", "/z{2}\"'/", "/m/"});
      if (canonical_instance(scope, name)) return name;
    }
  }

  // Statements of a scope, some of them in other files.
  std::string body(ScopeKind kind, size_t depth) {
    std::string text;
    const size_t count = chance.below(depth == 0 ? 9 : 4);
    const std::string line = crlf ? "\r\n" : "\n";
    const std::string indent(depth * step, ' ');
    for (size_t i = 0; i < count; ++i) {
      const size_t what = chance.below(12);
      const std::string end = chance.one_in(6)   ? " "
                              : chance.one_in(5) ? "  # " + std::to_string(++comments_) + line
                                                 : line;
      if (what < 6) {
        const auto one = said(kind);
        if (!one) continue;
        const bool plain = !one->value.starts_with('(') && !one->value.starts_with('[');
        std::string sign = chance.of<std::string>({" = ", "=", "\t=  ", " = /* = */ "});
        if (!plain && chance.one_in(2)) sign = chance.one_in(2) ? " " : "";
        text += indent + (chance.one_in(2) ? std::string(one->option->name) : upper(one->option->name)) + sign +
                one->value + end;
      } else if (what < 9 && depth < 4) {
        const ScopeDef* scope = scope_in(kind);
        if (!scope) continue;
        const std::string name = instance(*scope);
        text += indent + std::string(scope->name);
        if (!name.empty()) text += " " + typed_name(name);
        text += chance.of<std::string>({" {", "{", " = {", " { # open"});
        const bool one_line = !text.ends_with("open") && chance.one_in(4);
        const std::string inner = body(scope->kind, depth + 1);
        text += one_line && !inner.contains('#') ? " " + inner : line + inner + indent;
        text += "}" + end;
      } else if (what == 9 && files.size() < 6 && depth < 4) {
        const std::string name = "f" + std::to_string(files.size()) + ".conf";
        files[name];
        files[name] = body(kind, depth);
        for (size_t times = chance.one_in(8) ? 2 : 1; times > 0; --times)
          text += indent + (chance.one_in(4) ? "readonly_include " : "include ") + name + line;
      } else {
        text += indent + chance.of<std::string>({"# ", "/* multi" + line + " line */ # "}) +
                std::to_string(++comments_) + line;
      }
    }
    return text;
  }

  Book book() {
    crlf = chance.one_in(5);
    step = chance.below(5);
    std::string text = body(ScopeKind::global, 0);
    if (chance.one_in(8)) text += "# no line end";
    files["main.conf"] = text;
    return Book(files);
  }

  bool crlf = false;
  size_t step = 2;

 private:
  static std::string typed_name(const std::string& name) {
    RawValue quoted;
    quoted.kind = RawValue::Kind::string;
    quoted.text = name;
    return quoted.to_string();
  }

  size_t comments_ = 0;
};

// Any scope of a tree.
ScopePath somewhere(const ScopePtr& root, Chance& chance) {
  ScopePath path;
  for (ScopePtr scope = root; !chance.one_in(3);) {
    std::vector<ScopePtr> children;
    scope->each_child([&](const ScopePtr& child) { children.push_back(child); });
    if (children.empty()) break;
    scope = chance.of(children);
    path.push_back({scope->def().kind, scope->instance()});
  }
  return path;
}

std::string list(const std::map<std::string, std::string>& texts) {
  std::string all;
  for (const auto& [name, text] : texts) all += "---- " + name + "\n" + text + "\n";
  return all;
}

// The lines of `before` that name none of the changed options and no brace
// stand in `after`, in their order.
void check_lines(const std::string& before, const std::string& after, const std::set<std::string>& changed) {
  const auto kept = split(after, '\n');
  auto at = kept.begin();
  for (const std::string_view line : split(before, '\n')) {
    const std::string folded = lower(line);
    if (trim(line).empty() || folded.contains('{') || folded.contains('}')) continue;
    if (std::ranges::any_of(changed, [&](const std::string& name) { return folded.contains(name); })) continue;
    at = std::find_if(at, kept.end(), [&](std::string_view other) { return trim(other) == trim(line); });
    CPPUNIT_ASSERT_MESSAGE("lost: " + std::string(line) + "\nin:\n" + before + "\nbecame:\n" + after, at != kept.end());
    ++at;
  }
}

}  // namespace

class WritebackRandomTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(WritebackRandomTest);
  CPPUNIT_TEST(written_and_read_again);
  CPPUNIT_TEST(edited_and_read_again);
  CPPUNIT_TEST_SUITE_END();

 public:
  void written_and_read_again() {
    for (unsigned seed = 1; seed <= 500; ++seed) {
      Writer writer(seed);
      const ScopePtr root = writer.book().tree();
      const std::string text = write_config(root);
      const ScopePtr again = tree(text);
      const auto changes = diff(again, root);
      CPPUNIT_ASSERT_MESSAGE(changes.empty() ? "" : changes.front().to_string() + "\n" + text, changes.empty());
      CPPUNIT_ASSERT(pattern_order(again) == pattern_order(root));
      CPPUNIT_ASSERT_EQUAL(text, write_config(again));
    }
  }

  void edited_and_read_again() {
    size_t written = 0;
    for (unsigned seed = 1; seed <= 600; ++seed) {
      Writer writer(seed);
      Chance& chance = writer.chance;
      Book book = writer.book();
      const auto before = book.texts();
      const bool free = seed % 2 == 0 && !list(before).contains("readonly_include") && !twice(list(before));
      if (!free)
        for (const auto& [name, text] : before)
          if (chance.one_in(5)) book.locked.insert(name);
      if (chance.one_in(3)) book.rules.local_changes_file = chance.one_in(3) ? "f1.conf" : "local.conf";
      if (!free && chance.one_in(4)) book.rules.local_changes_only = true;
      std::set<std::string> changed;
      bool dropped = false;
      for (size_t edits = 1 + chance.below(6); edits > 0; --edits)
        dropped |= edit(book, writer, chance, changed, !book.rules.local_changes_only);
      const auto plan = book.plan();
      if (!plan) {
        CPPUNIT_ASSERT_MESSAGE(plan.error().message + "\n" + list(before), plan.error().code == Errc::denied && !free);
        continue;
      }
      book.write();
      ++written;
      if (!dropped)
        for (const auto& [name, text] : before) check_lines(text, book.texts().at(name), changed);
      for (const std::string& name : book.locked) CPPUNIT_ASSERT_EQUAL(before.at(name), book.texts().at(name));
      // Nothing is left to write.
      CPPUNIT_ASSERT(book.plan()->files.empty());
    }
    CPPUNIT_ASSERT_MESSAGE(std::to_string(written), written > 400);
  }

 private:
  // Is a file included twice?
  static bool twice(const std::string& texts) {
    for (int i = 0; i < 6; ++i) {
      const std::string name = "include f" + std::to_string(i);
      const size_t first = texts.find(name);
      if (first != std::string::npos && texts.find(name, first + 1) != std::string::npos) return true;
    }
    return false;
  }

  // True when a scope went away.
  static bool edit(Book& book, Writer& writer, Chance& chance, std::set<std::string>& changed, bool may_remove) {
    ScopePath path = somewhere(book.wanted(), chance);
    const auto kind = [&] { return path.empty() ? ScopeKind::global : path.back().kind; };
    const size_t what = chance.below(may_remove ? 8 : 5);
    if (what == 7 && !path.empty()) {
      book.edit(path, [](const ScopePtr&) { return ScopePtr(); });
      return true;
    }
    if (what >= 5) {
      const ScopePtr scope = find_scope(book.wanted(), path);
      if (scope->settings().empty()) return false;
      const OptionDef& option = *chance.of(scope->settings())->option;
      changed.insert(lower(option.name));
      book.edit(path, [&](const ScopePtr& at) { return at->without_setting(option); });
      return false;
    }
    if (what < 2) {
      if (const ScopeDef* scope = writer.scope_in(kind()))
        path.push_back({scope->kind, canonical_instance(*scope, writer.instance(*scope)).value()});
    }
    if (const auto one = writer.said(kind())) {
      changed.insert(lower(one->option->name));
      book.edit(path, [&](const ScopePtr& at) { return at->with_setting(one->setting); });
    }
    return false;
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(WritebackRandomTest);

}  // namespace impulse::config::test
