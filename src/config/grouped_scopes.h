// GroupedScopes: scopes of one kind by name that stand in the global scope, in
// a group of theirs, or in both: Pathways in Pathway_Groups, Bindings in
// Binding_Groups.
#pragma once

#include "config/tree.h"

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::config {

// The key of a Context by which mail is assigned to a Binding, or to a Binding_Group.
inline constexpr std::string_view binding_context = "binding";
inline constexpr size_t longest_binding = 64;  // characters of a Binding's name

class GroupedScopes {
 public:
  // All that is said under one name; nulls for what is not there.
  struct Member {
    ScopePtr in_group;  // Pathway_Group "g" { Pathway "p" { … } }
    ScopePtr alone;     // Pathway "p" { … } in the global scope
    ScopePtr group;     // Pathway_Group "g"

    // Most specific first.
    std::array<const Scope*, 3> layers() const { return {in_group.get(), alone.get(), group.get()}; }
  };
  // A name that stands in two groups; `member` is the first group's.
  struct Clash {
    ScopePtr scope;  // in the second group
    ScopePtr second;
    const Member* member;
  };

  GroupedScopes() = default;
  GroupedScopes(const Scope& root, ScopeKind group, ScopeKind member);

  const Member* find(std::string_view name) const;  // nullptr: none of that name
  const std::map<std::string, Member, std::less<>>& members() const { return members_; }
  const std::vector<Clash>& clashes() const { return clashes_; }
  std::vector<std::string> names() const;  // sorted

 private:
  std::map<std::string, Member, std::less<>> members_;
  std::vector<Clash> clashes_;
};

}  // namespace impulse::config
