// What a commit has to say about who may use the console: files that are
// missing or wrong, doors that nobody can pass, or everybody.
#pragma once

#include "config/snapshot.h"

namespace impulse::server {

void check_access(const config::Snapshot& next, config::Diagnostics& diagnostics);

}  // namespace impulse::server
