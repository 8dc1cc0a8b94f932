// A scope's children one after the other, in order of declaration, without
// holding all of them: a slow reader of a million Peers costs a window of them.
#pragma once

#include "config/tree.h"

#include <cstddef>
#include <utility>
#include <vector>

namespace impulse::control {

class ChildCursor {
 public:
  explicit ChildCursor(config::ScopePtr scope) : scope_(std::move(scope)) {}

  // Null behind the last.
  config::ScopePtr next() {
    if (at_ == held_.size() && !fill()) return nullptr;
    return held_[at_++];
  }

 private:
  // Each window is one pass over all children, so it is not small.
  static constexpr size_t window = size_t{1} << 16;

  bool fill() {
    held_.clear();
    at_ = 0;
    if (seen_ == scope_->child_count()) return false;
    size_t index = 0;
    scope_->each_child([&](const config::ScopePtr& child) {
      if (index >= seen_ && held_.size() < window) held_.push_back(child);
      ++index;
    });
    seen_ += held_.size();
    return !held_.empty();
  }

  config::ScopePtr scope_;
  std::vector<config::ScopePtr> held_;
  size_t at_ = 0;
  size_t seen_ = 0;
};

}  // namespace impulse::control
