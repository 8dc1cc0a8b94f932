// The numbers of the whole daemon for /metrics. Main thread.
#pragma once

#include "api/metrics.h"
#include "control/system.h"
#include "spool/spool.h"

namespace impulse::server {

// What the console's commands show, asked of the same who answer them.
api::Figures figures_of(control::System& system, const spool::Spool& spool);

}  // namespace impulse::server
