// The one order of scopes that means something: Domain patterns count in order
// of declaration (DESIGN §3). Writeback has to keep it.
#pragma once

#include "config/tree.h"

#include <map>
#include <string>
#include <vector>

namespace impulse::config {

// The patterns of each scope that has some, in order, by the scope's path.
struct Patterns {
  ScopePath path;
  std::vector<std::string> instances;
  friend bool operator==(const Patterns& a, const Patterns& b) { return a.instances == b.instances; }
};
using PatternOrder = std::map<std::string, Patterns>;
PatternOrder pattern_order(const ScopePtr& root);

// Which of `have` have to be taken away and said again behind the rest, in this
// order and with what is new, for the order to be that of `wanted`.
std::vector<std::string> out_of_order(const std::vector<std::string>& have, const std::vector<std::string>& wanted);

}  // namespace impulse::config
