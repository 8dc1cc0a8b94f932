// Which statement of which file has to change, so that the files say what runs.
#include "config/writeback.h"

#include "base/text.h"
#include "config/config_text.h"
#include "config/engine.h"
#include "config/writeback_files.h"
#include "config/writeback_order.h"
#include "config/writeback_places.h"

#include <algorithm>
#include <optional>

namespace impulse::config {
namespace {

// Something to be said, and the scope to say it in.
struct Addition {
  ScopePath path;
  std::string name;      // for notes
  std::string old_file;  // where it was last set, when that cannot be written
  size_t after = 0;      // it has to stand behind this to count
};

class Planner {
 public:
  Planner(const Loaded& loaded, const ScopePtr& wanted, const WritebackRules& rules)
      : loaded_(loaded), wanted_(wanted), rules_(rules), files_(loaded, rules) {}

  Result<WritebackPlan> run();

 private:
  void find_changes(const ScopePtr& have);
  Result<> option(const Change& change);
  Result<> add_scope(const ScopePath& path);
  size_t last_pattern(const ScopePath& parent);
  Result<> remove_all(const std::vector<Occurrence>& places, const std::string& name);

  // Where an addition goes: the block to put it into.
  Result<TextBlock*> place(const Addition& addition);
  TextBlock* behind_own(const Addition& addition);
  Result<TextBlock*> in_local(const Addition& addition);
  TextBlock* around(const Addition& addition);
  const Container* best(const std::vector<Container>& containers, size_t after, bool local) const;
  TextBlock* block_in(const Container& container, const ScopePath& path, size_t depth);
  void note(const Addition& addition, const std::string& file);
  bool may_write(const SyntaxTree& tree) const {
    return files_.writable(tree) && (!rules_.local_changes_only || files_.is_local(tree));
  }

  const Loaded& loaded_;
  const ScopePtr& wanted_;
  const WritebackRules& rules_;
  WritebackFiles files_;
  std::vector<Change> options_;
  std::vector<ScopePath> removed_;
  std::vector<ScopePath> added_;
  std::optional<Places> places_;
  PatternOrder patterns_;  // that are there, of scopes that get new ones
  std::map<std::string, size_t> last_patterns_;
  std::vector<std::string> notes_;
};

// "esmtp_listener listen *:25: Enable"
std::string name_of(const ScopePath& path, std::string_view option) {
  if (path.empty()) return std::string(option);
  return option.empty() ? to_string(path) : fmt::format("{}: {}", to_string(path), option);
}

ScopePath parent_of(ScopePath path) {
  path.pop_back();
  return path;
}

ScopePath child_of(ScopePath path, const std::string& domain) {
  path.push_back({ScopeKind::domain, domain});
  return path;
}

bool is_pattern(const ScopePath& path) {
  return path.back().kind == ScopeKind::domain && path.back().instance.starts_with('/');
}

void Planner::find_changes(const ScopePtr& have) {
  std::set<std::string> moved;
  const PatternOrder before = pattern_order(have);
  for (const auto& [name, patterns] : pattern_order(wanted_)) {
    const auto old = before.find(name);
    if (old == before.end()) continue;
    for (const std::string& instance : out_of_order(old->second.instances, patterns.instances)) {
      ScopePath path = child_of(patterns.path, instance);
      moved.insert(to_string(path));
      removed_.push_back(path);
      added_.push_back(std::move(path));
    }
  }
  const auto within_moved = [&](ScopePath path) {
    for (; !moved.empty() && !path.empty(); path.pop_back())
      if (moved.contains(to_string(path))) return true;
    return false;
  };
  for (Change& change : diff(have, wanted_)) {
    if (change.reorders() || within_moved(change.path)) continue;
    if (change.option)
      options_.push_back(std::move(change));
    else
      (change.kind == Change::Kind::removed ? removed_ : added_).push_back(change.path);
  }
  // New scopes in the order in which they were declared, parent by parent.
  std::map<std::string, std::map<std::pair<ScopeKind, std::string>, size_t>> orders;
  const auto rank = [&](const ScopePath& path) {
    const ScopePath parent = parent_of(path);
    const auto [found, fresh] = orders.try_emplace(to_string(parent));
    if (fresh)
      find_scope(wanted_, parent)->each_child([&, &order = found->second](const ScopePtr& child) {
        order.emplace(std::pair(child->def().kind, child->instance()), order.size());
      });
    return std::pair(found->first, found->second[{path.back().kind, path.back().instance}]);
  };
  std::vector<std::pair<std::pair<std::string, size_t>, ScopePath>> ranked;
  for (ScopePath& path : added_) ranked.emplace_back(rank(path), std::move(path));
  std::ranges::sort(ranked, {}, [](const auto& entry) { return std::cref(entry.first).get(); });
  added_.clear();
  for (auto& [order, path] : ranked) added_.push_back(std::move(path));
}

Result<WritebackPlan> Planner::run() {
  const Built built = build(loaded_);
  for (const Diagnostic& diagnostic : built.diagnostics)
    if (diagnostic.severity == Diagnostic::Severity::error)
      return fail(Errc::invalid, "the files have mistakes: {}", diagnostic.headline());
  find_changes(built.root);
  if (options_.empty() && removed_.empty() && added_.empty()) return WritebackPlan{};

  std::set<std::string> names;
  const auto name_all = [&](ScopePath path) {
    for (; !path.empty() && names.insert(to_string(path)).second;) path.pop_back();
  };
  for (const Change& change : options_) name_all(change.path);
  for (const ScopePath& path : removed_) name_all(path);
  for (const ScopePath& path : added_) name_all(path);
  // New patterns have to come behind those that stay.
  std::set<std::string> parents;
  for (const ScopePath& path : added_)
    if (is_pattern(path)) parents.insert(to_string(parent_of(path)));
  if (!parents.empty())
    for (auto& [name, patterns] : pattern_order(built.root))
      if (parents.contains(name)) {
        for (const std::string& instance : patterns.instances) name_all(child_of(patterns.path, instance));
        patterns_.emplace(name, std::move(patterns));
      }
  places_.emplace(loaded_, names);

  for (const ScopePath& path : removed_)
    if (auto done = remove_all(places_->at(path).openings, name_of(path, {})); !done)
      return std::unexpected(std::move(done.error()));
  for (const Change& change : options_)
    if (auto done = option(change); !done) return std::unexpected(std::move(done.error()));
  for (const ScopePath& path : added_)
    if (auto done = add_scope(path); !done) return std::unexpected(std::move(done.error()));
  auto edits = files_.finish(wanted_);
  if (!edits) return std::unexpected(std::move(edits.error()));
  return WritebackPlan{std::move(*edits), std::move(notes_)};
}

Result<> Planner::option(const Change& change) {
  const std::string name = name_of(change.path, change.option->name);
  const auto& options = places_->at(change.path).options;
  const auto found = options.find(change.option->index);
  if (change.kind == Change::Kind::removed) return remove_all(found->second, name);

  const Setting& setting = *find_scope(wanted_, change.path)->find(*change.option);
  Addition addition{change.path, name, {}, 0};
  if (found != options.end()) {
    const Occurrence& last = found->second.back();
    if (may_write(*last.tree)) {
      files_.edits(*last.tree).replace(*last.node, setting.written());
      return {};
    }
    addition.old_file = last.tree->source->name;
    addition.after = last.at;
  }
  auto block = place(addition);
  if (!block) return std::unexpected(std::move(block.error()));
  (*block)->statements.push_back(statement_text(setting));
  return {};
}

Result<> Planner::add_scope(const ScopePath& path) {
  Addition addition{parent_of(path), name_of(path, {}), {}, 0};
  if (is_pattern(path)) addition.after = last_pattern(addition.path);
  auto block = place(addition);
  if (!block) return std::unexpected(std::move(block.error()));
  (*block)->scopes.push_back(find_scope(wanted_, path));
  return {};
}

// Behind which statement a new pattern of this scope has to stand.
size_t Planner::last_pattern(const ScopePath& parent) {
  const auto [known, fresh] = last_patterns_.try_emplace(to_string(parent), 0);
  const auto patterns = patterns_.find(known->first);
  if (!fresh || patterns == patterns_.end()) return known->second;
  for (const std::string& instance : patterns->second.instances) {
    const auto& openings = places_->at(child_of(parent, instance)).openings;
    if (openings.empty() || files_.edits(*openings.front().tree).removes(*openings.front().node)) continue;
    known->second = std::max(known->second, openings.front().at);
  }
  return known->second;
}

Result<> Planner::remove_all(const std::vector<Occurrence>& places, const std::string& name) {
  for (const Occurrence& place : places) {
    if (!may_write(*place.tree)) {
      const bool rule = files_.writable(*place.tree);
      return fail(Errc::denied, "{} was removed, but {}:{} says it, and {}", name, place.tree->source->name,
                  files_.line_of(*place.tree, *place.node),
                  rule ? "Local_Changes_Only forbids to change that file" : "that file is read-only");
    }
    files_.edits(*place.tree).remove(*place.node);
  }
  return {};
}

Result<TextBlock*> Planner::place(const Addition& addition) {
  if (!rules_.local_changes_only)
    if (TextBlock* block = behind_own(addition)) return block;
  if (files_.has_local()) {
    auto block = in_local(addition);
    if (!block || *block) return block;
  }
  if (!rules_.local_changes_only)
    if (TextBlock* block = around(addition)) return block;
  if (rules_.local_changes_only && !files_.has_local())
    return fail(Errc::denied, "{}: Local_Changes_Only is set, but Local_Changes_File is not", addition.name);
  if (addition.after > 0 && !addition.old_file.empty())
    return fail(Errc::denied, "{}: no file that may be written comes behind {}, which sets it", addition.name,
                addition.old_file);
  return fail(Errc::denied, "{}: no file of the configuration may be written", addition.name);
}

// In the first file that may be written and opened the scope: behind the last
// thing there.
const Container* Planner::best(const std::vector<Container>& containers, size_t after, bool local) const {
  const Container* found = nullptr;
  for (const Container& container : containers) {
    if (container.end < after || !files_.writable(*container.tree)) continue;
    if (local && !files_.is_local(*container.tree)) continue;
    if (!found || container.tree == found->tree) found = &container;
  }
  return found;
}

TextBlock* Planner::behind_own(const Addition& addition) {
  const Container* container = best(places_->at(addition.path).containers, addition.after, false);
  if (!container) return nullptr;
  note(addition, container->tree->source->name);
  return block_in(*container, addition.path, addition.path.size());
}

// Null: it is there, but what it says there would not count.
Result<TextBlock*> Planner::in_local(const Addition& addition) {
  const SyntaxTree* tree = files_.local_tree();
  if (!tree) {
    auto block = files_.create_local(places_->at({}).containers.front());
    if (!block) return std::unexpected(std::move(block.error()));
    note(addition, files_.local_path());
    TextBlock* within = *block;
    for (const PathStep& step : addition.path) within = &within->open(title_text(scope_def(step.kind), step.instance));
    return within;
  }
  if (!files_.writable(*tree))
    return fail(Errc::denied, "{}: Local_Changes_File {} is read-only", addition.name, files_.local_path());
  ScopePath around = addition.path;
  for (size_t depth = around.size();; --depth, around.pop_back()) {
    if (const Container* container = best(places_->at(around).containers, addition.after, true)) {
      note(addition, files_.local_path());
      return block_in(*container, addition.path, depth);
    }
    if (depth == 0) return nullptr;
  }
}

TextBlock* Planner::around(const Addition& addition) {
  ScopePath around = addition.path;
  while (!around.empty()) {
    around.pop_back();
    if (const Container* container = best(places_->at(around).containers, addition.after, false)) {
      note(addition, container->tree->source->name);
      return block_in(*container, addition.path, around.size());
    }
  }
  return nullptr;
}

// The block behind what is in `container`, whose scope is the first `depth`
// steps of the path; the rest is opened again in it.
TextBlock* Planner::block_in(const Container& container, const ScopePath& path, size_t depth) {
  TextBlock* block = &files_.edits(*container.tree).append_to(container.scope);
  for (; depth < path.size(); ++depth)
    block = &block->open(title_text(scope_def(path[depth].kind), path[depth].instance));
  return block;
}

void Planner::note(const Addition& addition, const std::string& file) {
  if (addition.old_file.empty() || addition.old_file == file) return;
  notes_.push_back(fmt::format("{}: goes to {} ({} {})", addition.name, file, addition.old_file,
                               rules_.local_changes_only ? "stays as it is: Local_Changes_Only" : "is read-only"));
}

}  // namespace

Result<WritebackPlan> plan_writeback(const Loaded& loaded, const ScopePtr& wanted, const WritebackRules& rules) {
  if (loaded.trees.empty() || !wanted) return fail(Errc::invalid, "nothing was loaded");
  return Planner(loaded, wanted, rules).run();
}

}  // namespace impulse::config
