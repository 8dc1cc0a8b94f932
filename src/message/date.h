// Reads dates of mail (RFC 5322 §3.3), obsolete forms too (§4.3). received.h writes them.
#pragma once

#include "base/clock.h"

#include <optional>
#include <string_view>

namespace impulse::message {

// "Thu, 01 Jan 2026 00:00:00 +0100", of the years 1900 to 9999; comments may stand where white
// space may. A day of the week is not compared with the date; a zone by a name that nobody
// knows is UTC (§4.3). Whole seconds; nothing: it is no date.
std::optional<WallTime> parse_date(std::string_view text);

}  // namespace impulse::message
