// Small forms that listings share.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::control {

// "2026-01-02T03:04:05Z"; "-" for the epoch, which means: none.
std::string time_text(WallTime time);
// "0.264s", "12s", "3m05s", "2h07m", "4d03h".
std::string age_text(Duration age);
// One line, however it came: escaped, and cut at `limit` bytes.
std::string field(std::string_view text, size_t limit = 256);
// A count and its noun: "1 session", "2 sessions".
std::string counted(uint64_t count, std::string_view noun);

}  // namespace impulse::control
