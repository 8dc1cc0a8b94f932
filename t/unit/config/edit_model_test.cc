// 10,000 random edits against a model that is too simple to be wrong: a map
// from scope to its options. After each step the tree says what the model says.
#include "engine_kit.h"

#include "config/children.h"

#include <map>
#include <random>

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

// Scope's address -> option -> value; a scope is there when it is a key.
using Scopes = std::map<std::string, std::map<std::string, std::string>>;

void read(const Scope& scope, const ScopePath& path, Scopes& into) {
  auto& options = into[to_string(path)];
  for (const auto& setting : scope.settings())
    options[std::string(setting->option->name)] = to_text(setting->value, *setting->option);
  scope.each_child([&](const ScopePtr& child) {
    ScopePath below = path;
    below.push_back({child->def().kind, child->instance()});
    read(*child, below, into);
  });
}

Scopes read(const ScopePtr& root) {
  Scopes scopes;
  read(*root, {}, scopes);
  return scopes;
}

// Told by what differs between two trees, which costs what differs.
void follow(Scopes& scopes, const ScopePtr& before, const ScopePtr& after) {
  for (const Change& change : diff(before, after)) {
    const std::string path = to_string(change.path);
    if (change.option) {
      if (change.kind == Change::Kind::removed)
        scopes[path].erase(std::string(change.option->name));
      else
        scopes[path][std::string(change.option->name)] = change.after;
    } else if (change.kind == Change::Kind::added) {
      read(*change.scope, change.path, scopes);
    } else {
      std::erase_if(scopes,
                    [&](const auto& entry) { return entry.first == path || entry.first.starts_with(path + " "); });
    }
  }
}

void set(Scopes& scopes, const ScopePath& path, const std::string& option, const std::string& value) {
  for (size_t steps = 0; steps <= path.size(); ++steps)
    scopes[to_string(ScopePath(path.begin(), path.begin() + static_cast<ptrdiff_t>(steps)))];
  scopes[to_string(path)][option] = value;
}

// False: there is nothing to take away.
bool unset(Scopes& scopes, const ScopePath& path, const std::string& option) {
  const std::string at = to_string(path);
  const auto found = scopes.find(at);
  if (found == scopes.end()) return false;
  if (!option.empty()) return found->second.erase(option) > 0;
  std::erase_if(scopes, [&](const auto& entry) { return entry.first == at || entry.first.starts_with(at + " "); });
  return true;
}

class EditModelTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(EditModelTest);
  CPPUNIT_TEST(ten_thousand_random_edits);
  CPPUNIT_TEST_SUITE_END();

  std::mt19937 random_{20240229};
  size_t below(size_t n) { return random_() % n; }

  ScopePath some_path() {
    const std::string port = fmt::format("*:{}", 2500 + below(6));
    const std::string peer = fmt::format("10.{}.0.0/16", below(12));
    const ScopePath listener{{ScopeKind::esmtp_listener, ""}};
    switch (below(6)) {
      case 0:
        return {};
      case 1:
        return {{ScopeKind::domain, fmt::format("d{}.example", below(20))}};
      case 2:
        return listener;
      case 3:
        return {listener[0], {ScopeKind::peer, peer}};
      case 4:
        return {listener[0], {ScopeKind::listen, port}};
      default:
        return {listener[0], {ScopeKind::listen, port}, {ScopeKind::peer, peer}};
    }
  }
  std::string some_option(const ScopePath& path) {
    if (path.empty() || path.back().kind == ScopeKind::domain) return "Max_Retries";
    return below(2) == 0 ? "Max_Errors" : "Max_Recipients_Per_Connection";
  }

  struct Edit {
    ScopePath path;
    std::string option;  // empty: the scope
    std::string value;   // empty: unset
  };
  Edit some_edit() {
    Edit edit{some_path(), {}, {}};
    edit.option = some_option(edit.path);
    if (below(3) != 0)
      edit.value = std::to_string(1 + below(50));
    else if (!edit.path.empty() && below(4) == 0)
      edit.option.clear();
    return edit;
  }
  template <class On>
  static Report apply(On& on, const Edit& edit, const std::shared_ptr<const Source>& source) {
    return edit.value.empty() ? on.unset(edit.path, edit.option, source)
                              : on.set(edit.path, edit.option, word(edit.value), source);
  }
  static bool apply(Scopes& scopes, const Edit& edit) {
    if (edit.value.empty()) return unset(scopes, edit.path, edit.option);
    set(scopes, edit.path, edit.option, edit.value);
    return true;
  }

  void ten_thousand_random_edits() {
    Rig rig;
    rig.start("");
    const auto source = typed("random");
    Scopes model = read(rig.root());  // what shall run
    Scopes seen = model;              // what runs, followed by differences
    ScopePtr root = rig.root();
    std::map<uint64_t, Scopes> old{{1, model}};

    struct Open {
      std::shared_ptr<Transaction> transaction;
      Scopes base, model;
      size_t edits = 0;
    };
    std::optional<Open> open;
    size_t edits = 0, committed = 0, conflicts = 0, reverts = 0;
    while (edits < 10000) {
      const size_t dice = below(100);
      if (dice < 50) {
        const Edit edit = some_edit();
        const bool expected = apply(model, edit);
        CPPUNIT_ASSERT_EQUAL(expected, apply(*rig.engine, edit, source).ok);
        ++edits;
      } else if (!open) {
        const bool scratch = below(10) == 0;
        auto transaction = rig.begin({scratch, {}, {}});
        Scopes of = scratch ? Scopes{{"", {}}} : model;
        open = Open{std::move(transaction), model, std::move(of)};
      } else if (dice < 95) {
        const Edit edit = some_edit();
        const bool expected = apply(open->model, edit);
        CPPUNIT_ASSERT_EQUAL(expected, apply(*open->transaction, edit, source).ok);
        ++edits, ++open->edits;
        if (open->edits % 16 == 0) CPPUNIT_ASSERT(read(open->transaction->candidate()) == open->model);
      } else if (dice < 98) {
        const Report report = open->transaction->commit({"console: alice"});
        CPPUNIT_ASSERT(report.ok || report.code == Errc::conflict);
        if (report.ok && open->base == model) {
          model = open->model;
        } else if (report.ok) {
          // Disjoint scopes: each scope is as the one who touched it left it.
          CPPUNIT_ASSERT(!open->transaction->from_scratch());
          Scopes merged = model;
          for (const auto& [path, options] : open->model)
            if (!open->base.contains(path) || open->base[path] != options) merged[path] = options;
          for (const auto& [path, options] : open->base)
            if (!open->model.contains(path)) merged.erase(path);
          model = std::move(merged);
        } else {
          ++conflicts;
          CPPUNIT_ASSERT(!report.conflicts.empty() && open->base != model);
        }
        if (report.ok) ++committed;
        open.reset();
      } else if (dice < 99) {
        open.reset();  // rolled back
      } else {
        const auto history = rig.engine->history();
        const uint64_t target = history[below(history.size())].number;
        CPPUNIT_ASSERT(rig.engine->revert(target, {"console: alice"}).ok);
        model = old.at(target);
        ++reverts;
      }
      follow(seen, root, rig.root());
      root = rig.root();
      CPPUNIT_ASSERT(seen == model);
      if (edits % 256 == 0) CPPUNIT_ASSERT(read(root) == model);
      old[rig.generation()] = model;
      if (old.size() > 16) old.erase(old.begin());
    }
    CPPUNIT_ASSERT(read(root) == model);
    // It was a test.
    CPPUNIT_ASSERT_MESSAGE(fmt::format("{} {} {}", committed, conflicts, reverts),
                           committed > 20 && conflicts > 20 && reverts > 20);
    // The tree that was made of edits is the one that a file makes.
    std::string text;
    const auto write = [&](const auto& self, const Scope& scope) -> void {
      for (const auto& setting : scope.settings())
        text += fmt::format("{} = {}\n", setting->option->name, to_text(setting->value, *setting->option));
      scope.each_child([&](const ScopePtr& child) {
        text += fmt::format("{} \"{}\" {{\n", child->def().name, child->instance());
        if (child->instance().empty()) text.replace(text.size() - 6, 3, "");
        self(self, *child);
        text += "}\n";
      });
    };
    write(write, *root);
    CPPUNIT_ASSERT(diff(tree(text), root).empty());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(EditModelTest);

}  // namespace
