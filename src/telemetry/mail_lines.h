// The lines of the logs of mail: the main log and the bounce log in Momentum's
// '@'-separated form, and the same records as JSON (doc/logs.md).
#pragma once

#include "telemetry/record.h"

#include <string>
#include <string_view>

namespace impulse::telemetry {

// What is the same in all lines of a run.
struct LineFacts {
  std::string node;  // of the daemon
  WallTime started{};
};

// Each adds one line, with its '\n'.
void add_main_line(std::string& out, const Record& record, const LineFacts& facts);
void add_bounce_line(std::string& out, const Record& record, const LineFacts& facts);  // no reception, no delivery
void add_json_line(std::string& out, const Record& record, const LineFacts& facts);

// The session or connection, unique over restarts: "i18-6740A1B2" for the one
// that `show inbound` calls 18, "o7-6740A1B2" for one to a next host; empty: none.
std::string connection_id(const Record& record, const LineFacts& facts);

}  // namespace impulse::telemetry
