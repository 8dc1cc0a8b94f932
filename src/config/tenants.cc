#include "config/tenants.h"

#include "config/children.h"
#include "config/keys.h"

#include <variant>

namespace impulse::config {

namespace {

void collect(const Scope& scope, TenantNames& names) {
  // Of a million Peers hardly one says anything here.
  if (!scope.settings().empty())
    if (const Setting* setting = scope.find(definition(key::tenant)))
      if (const auto& name = std::get<std::string>(setting->value); !name.empty()) names.insert(name);
  scope.each_child([&](const ScopePtr& child) { collect(*child, names); });
}

}  // namespace

TenantNames tenant_names(const Snapshot& snapshot) {
  TenantNames names;
  for (const ScopeKind kind : {ScopeKind::esmtp_listener, ScopeKind::lmtp_listener, ScopeKind::http_listener})
    if (const ScopePtr listener = snapshot.root()->child(kind, {})) collect(*listener, names);
  for (const ScopeKind kind : {ScopeKind::pathway_group, ScopeKind::pathway})
    snapshot.root()->children(kind).each([&](const ChildMap::Entry& entry) { collect(*entry.scope, names); });
  return names;
}

}  // namespace impulse::config
