// Times as JSON requests write them.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <string_view>

namespace impulse::api {

// RFC 3339: 2026-11-21T14:00:00+01:00, perhaps with a fraction of a second; Z
// for +00:00. A day that no calendar has is invalid.
Result<WallTime> parse_time(std::string_view text);

}  // namespace impulse::api
