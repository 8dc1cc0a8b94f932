#include "config/writeback_order.h"

#include "config/children.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>

namespace impulse::config {
namespace {

bool is_pattern(const std::string& instance) { return instance.starts_with('/'); }

// The scopes that may hold a Domain, and those that may hold such scopes: the
// others, with all their Peers, need not be looked at.
ScopeSet holders() {
  ScopeSet found = scope_def(ScopeKind::domain).parents;
  for (ScopeSet before = 0; before != found;) {
    before = found;
    for (const ScopeDef& scope : scopes())
      if (found & in(scope.kind)) found |= scope.parents;
  }
  return found;
}

void collect(const Scope& scope, ScopePath& path, ScopeSet kinds, PatternOrder& order) {
  std::vector<const ChildMap::Entry*> patterns;
  scope.children(ScopeKind::domain).each([&](const ChildMap::Entry& entry) {
    if (is_pattern(entry.scope->instance())) patterns.push_back(&entry);
  });
  if (!patterns.empty()) {
    std::ranges::sort(patterns, {}, &ChildMap::Entry::sequence);
    Patterns& found = order[to_string(path)];
    found.path = path;
    for (const ChildMap::Entry* entry : patterns) found.instances.push_back(entry->scope->instance());
  }
  for (const ScopeDef& kind : scopes()) {
    if (!(kinds & in(kind.kind)) || kind.kind == ScopeKind::global) continue;
    scope.children(kind.kind).each([&](const ChildMap::Entry& entry) {
      path.push_back({kind.kind, entry.scope->instance()});
      collect(*entry.scope, path, kinds, order);
      path.pop_back();
    });
  }
}

}  // namespace

PatternOrder pattern_order(const ScopePtr& root) {
  PatternOrder order;
  ScopePath path;
  collect(*root, path, holders(), order);
  return order;
}

std::vector<std::string> out_of_order(const std::vector<std::string>& have, const std::vector<std::string>& wanted) {
  // As many as possible stay where they are: the first ones wanted, as far as
  // they stand in that order.
  auto from = have.begin();
  auto next = wanted.begin();
  for (; next != wanted.end(); ++next) {
    const auto found = std::find(from, have.end(), *next);
    if (found == have.end()) break;
    from = found + 1;
  }
  std::vector<std::string> moved;
  const std::set<std::string_view> known(have.begin(), have.end());
  std::copy_if(next, wanted.end(), std::back_inserter(moved),
               [&](const std::string& instance) { return known.contains(instance); });
  return moved;
}

}  // namespace impulse::config
