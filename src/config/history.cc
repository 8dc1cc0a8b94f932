// The last generations: finding them, blaming them, bringing them back.
#include "config/history.h"

#include "config/children.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace impulse::config {

void History::add(Generation generation) {
  generations_.push_back(std::move(generation));
  if (generations_.size() > kept) generations_.pop_front();
}

void History::refresh(ScopePtr root) {
  if (!generations_.empty()) generations_.back().root = std::move(root);
}

const Generation* History::find(uint64_t number) const {
  const auto found = std::ranges::find(generations_, number, &Generation::number);
  return found == generations_.end() ? nullptr : &*found;
}

std::vector<Conflict> History::conflicts(uint64_t base, const ScopePtr& base_root, const ScopePtr& now,
                                         const TouchedScopes* ours) const {
  TouchedScopes theirs;
  theirs.add(diff(base_root, now));
  const std::vector<std::string> both = ours ? ours->common(theirs) : theirs.shown();
  if (both.empty()) return {};

  // Their scopes are what each generation is asked for: a scope of ours may lie below one of theirs.
  std::vector<std::string> left = both;
  std::vector<Conflict> conflicts;
  for (size_t i = generations_.size(); i-- > 1 && !left.empty();) {
    const Generation& generation = generations_[i];
    if (generation.number <= base) break;
    TouchedScopes touched;
    touched.add(diff(generations_[i - 1].root, generation.root));
    const std::vector<std::string> names = ours ? ours->common(touched) : touched.shown();
    const std::unordered_set<std::string_view> here(names.begin(), names.end());
    Conflict conflict{generation.number, generation.by, generation.at, {}};
    std::erase_if(left, [&](const std::string& path) {
      if (!here.contains(path)) return false;
      conflict.paths.push_back(path);
      return true;
    });
    if (!conflict.paths.empty()) conflicts.push_back(std::move(conflict));
  }
  // Touched before the oldest generation that is still known.
  if (!left.empty())
    conflicts.push_back({base + 1, {"somebody whose commit is no longer in the history"}, {}, std::move(left)});
  std::ranges::reverse(conflicts);
  return conflicts;
}

ScopePtr as_edits(const ScopePtr& target, const ScopePtr& file, const std::shared_ptr<const Source>& by) {
  if (target == file) return target;
  ScopePtr scope = target;
  for (const auto& setting : target->settings()) {
    const auto said = [&]() -> std::shared_ptr<const Setting> {
      if (file)
        for (const auto& one : file->settings())
          if (one->option == setting->option) return one;
      return nullptr;
    }();
    if (said == setting) continue;
    if (said && said->value == setting->value) {
      scope = scope->with_setting(said);
    } else if (!setting->edited) {
      auto edit = std::make_shared<Setting>(*setting);
      edit->edited = true;
      // The value does not stand in that text.
      edit->spelled = std::make_shared<const RawValue>(setting->written());
      edit->value_begin = edit->value_end = 0;
      edit->origin = {by, {1, 1}};
      scope = scope->with_setting(std::move(edit));
    }
  }
  static const ChildMap none;
  for (const ScopeDef& kind : scopes()) {
    ChildMap::difference(file ? file->children(kind.kind) : none, target->children(kind.kind),
                         [&](const ScopePtr& was, const ScopePtr& is) {
                           if (!is) return true;
                           ScopePtr child = as_edits(is, was, by);
                           if (child != is) scope = scope->with_child(std::move(child));
                           return true;
                         });
  }
  return scope;
}

}  // namespace impulse::config
