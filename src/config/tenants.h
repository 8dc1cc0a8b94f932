// Tenants: the namespaces that a configuration names, by Tenant in its mail
// listeners, their Listens and Peers, and in Pathways.
#pragma once

#include "config/snapshot.h"

#include <set>
#include <string>

namespace impulse::config {

using TenantNames = std::set<std::string, std::less<>>;

// All that are set anywhere, whether somebody falls back on them or not. Walks
// all scopes of clients: who asks often keeps the answer with the generation.
TenantNames tenant_names(const Snapshot& snapshot);

}  // namespace impulse::config
