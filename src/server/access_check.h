// What a commit has to say about who may come in, by a console or with mail:
// files that are missing or wrong, doors that nobody can pass, or everybody.
#pragma once

#include "config/snapshot.h"

namespace impulse::server {

void check_access(const config::Snapshot& next, config::Diagnostics& diagnostics);

}  // namespace impulse::server
