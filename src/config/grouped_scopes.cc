// Scopes by name, in groups and alone.
#include "config/grouped_scopes.h"

#include "config/children.h"

namespace impulse::config {

GroupedScopes::GroupedScopes(const Scope& root, ScopeKind group, ScopeKind member) {
  root.children(member).each(
      [&](const ChildMap::Entry& entry) { members_[entry.scope->instance()].alone = entry.scope; });
  root.children(group).each([&](const ChildMap::Entry& outer) {
    outer.scope->children(member).each([&](const ChildMap::Entry& entry) {
      Member& found = members_[entry.scope->instance()];
      if (found.group) {
        clashes_.push_back({entry.scope, outer.scope, &found});
      } else {
        found.in_group = entry.scope;
        found.group = outer.scope;
      }
    });
  });
}

const GroupedScopes::Member* GroupedScopes::find(std::string_view name) const {
  const auto found = members_.find(name);
  return found == members_.end() ? nullptr : &found->second;
}

std::vector<std::string> GroupedScopes::names() const {
  std::vector<std::string> names;
  names.reserve(members_.size());
  for (const auto& [name, member] : members_) names.push_back(name);
  return names;
}

}  // namespace impulse::config
