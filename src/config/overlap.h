// Which scopes an edit touches, and where two commits touch the same ones.
// The unit is the scope: a commit touches every scope in which it set or took
// away an option. One that adds or removes a scope touches that scope and
// everything below it; not the scope around it. So two commits that add
// different Peers to one Listen are disjoint, two that set different options
// of one Peer are not.
#pragma once

#include "config/engine.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace impulse::config {

class TouchedScopes {
 public:
  // `deep`: with everything below it.
  void add(const ScopePath& path, bool deep);
  void add(const std::vector<Change>& changes);
  // What the operations touch, done on `base`.
  void add(const std::vector<Operation>& operations, const ScopePtr& base);
  // The scopes that both touch, as they are shown; empty: disjoint.
  std::vector<std::string> common(const TouchedScopes& other) const;
  std::vector<std::string> shown() const;

 private:
  struct Entry {
    bool deep = false;
    std::string shown;
  };
  // A step is its kind's byte, the instance and a NUL: what is below a scope
  // follows it, and begins with its key.
  static std::string key_of(const ScopePath& path);
  std::map<std::string, Entry> entries_;
};

}  // namespace impulse::config
