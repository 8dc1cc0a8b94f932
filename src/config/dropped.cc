// Edits that the files do not say, by name.
#include "config/dropped.h"

#include <functional>
#include <set>
#include <utility>

namespace impulse::config {
namespace {

// Of a scope and of all below it.
void each_setting(const Scope& scope, const ScopePath& path,
                  const std::function<void(const ScopePath&, const Setting&)>& visit) {
  for (const auto& setting : scope.settings()) visit(path, *setting);
  scope.each_child([&](const ScopePtr& child) {
    ScopePath below = path;
    below.push_back({child->def().kind, child->instance()});
    each_setting(*child, below, visit);
  });
}

}  // namespace

std::vector<std::string> dropped_edits(const ScopePtr& file_before, const ScopePtr& running, const ScopePtr& file_now) {
  std::vector<std::string> dropped;
  const std::vector<Change> edits = diff(file_before, running);
  if (edits.empty()) return dropped;
  std::set<std::pair<std::string, const OptionDef*>> lost;
  std::set<std::string> reordered;
  for (const Change& change : diff(running, file_now)) {
    if (change.reorders())
      reordered.insert(to_string(change.path));
    else
      lost.insert({to_string(change.path), change.option});
  }
  // With its scope, all that is in it is lost.
  const auto is_lost = [&](const ScopePath& path, const OptionDef* option) {
    if (lost.contains({to_string(path), option})) return true;
    for (size_t steps = 1; steps <= path.size(); ++steps)
      if (lost.contains({to_string(ScopePath(path.begin(), path.begin() + static_cast<ptrdiff_t>(steps))), nullptr}))
        return true;
    return false;
  };
  for (const Change& edit : edits) {
    if (is_lost(edit.path, edit.option) || (edit.reorders() && reordered.contains(to_string(edit.path))))
      dropped.push_back(edit.to_string());
    if (edit.kind != Change::Kind::added || !edit.scope) continue;
    each_setting(*edit.scope, edit.path, [&](const ScopePath& path, const Setting& setting) {
      if (is_lost(path, setting.option))
        dropped.push_back(Change{Change::Kind::added,
                                 path,
                                 setting.option,
                                 {},
                                 to_text(setting.value, *setting.option),
                                 setting.option->effect,
                                 nullptr}
                              .to_string());
    });
  }
  return dropped;
}

}  // namespace impulse::config
