// Pathways: what extends a listener, Listen or Peer that names one by its
// option Pathway, at its own rank (DESIGN §3 "Fallback").
#pragma once

#include "config/grouped_scopes.h"

#include <memory>
#include <string_view>
#include <vector>

namespace impulse::config {

class Pathways {
 public:
  Pathways() = default;
  explicit Pathways(const Scope& root) : scopes_(root, ScopeKind::pathway_group, ScopeKind::pathway) {}

  // What a scope of `kind` with these settings is extended by; nullptr: nothing.
  // A listener that names none is extended by the Pathway "default", where
  // there is one; an empty name says none.
  const GroupedScopes::Member* extending(ScopeKind kind,
                                         const std::vector<std::shared_ptr<const Setting>>& settings) const;
  const GroupedScopes& scopes() const { return scopes_; }
  // The name that extends such a scope, whether there is a Pathway of it or not; empty: none.
  static std::string_view named_by(ScopeKind kind, const std::vector<std::shared_ptr<const Setting>>& settings);

 private:
  GroupedScopes scopes_;
};
using PathwaysPtr = std::shared_ptr<const Pathways>;

}  // namespace impulse::config
