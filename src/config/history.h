// History: the generations that were in force, and who made them. Their trees
// share all that did not change.
#pragma once

#include "config/engine.h"
#include "config/overlap.h"

#include <deque>
#include <vector>

namespace impulse::config {

class History {
 public:
  static constexpr size_t kept = 16;

  void add(Generation generation);
  // What runs was read anew, with the same values: the newest has other lines.
  void refresh(ScopePtr root);
  const Generation* find(uint64_t number) const;  // nullptr: no longer there, or never was
  std::vector<Generation> all() const { return {generations_.begin(), generations_.end()}; }

  // What was committed between `base` (whose tree is `base_root`) and `now`
  // that touches one of `ours`; with null, anything at all. A change that was
  // taken back since is none. Grouped by the generation that touched a scope last.
  std::vector<Conflict> conflicts(uint64_t base, const ScopePtr& base_root, const ScopePtr& now,
                                  const TouchedScopes* ours) const;

 private:
  std::deque<Generation> generations_;
};

// `target`, an old tree that shall run again, told as it is now: a value that
// the files (`file`) say too is theirs again, any other is an edit with the
// source `by`, if it was not one already.
ScopePtr as_edits(const ScopePtr& target, const ScopePtr& file, const std::shared_ptr<const Source>& by);

}  // namespace impulse::config
