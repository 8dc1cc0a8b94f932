// Messages out of a spool, into files.
#pragma once

#include "console/show/options.h"
#include "spool/view.h"

namespace impulse::ecshow {

// Each as a pair of files, durable when it is said to be there. An exit status.
int export_messages(const spool::View& view, const Options& options);

}  // namespace impulse::ecshow
