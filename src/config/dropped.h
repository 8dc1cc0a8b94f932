// Which console edits a reload drops.
#pragma once

#include "config/engine.h"

#include <string>
#include <vector>

namespace impulse::config {

// Edits are what differs between `file_before` (what the files said last) and
// `running`; those that `file_now` does not say too are lost, and named.
std::vector<std::string> dropped_edits(const ScopePtr& file_before, const ScopePtr& running, const ScopePtr& file_now);

}  // namespace impulse::config
