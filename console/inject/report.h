// What a run came to: for people, and as JSON for programs.
#pragma once

#include "console/inject/runner.h"

#include <string>

namespace impulse::ecinject {

// What was asked for, as the report repeats it.
struct Asked {
  std::string protocol;  // "smtp", …; "http messages" …
  std::string server;
  size_t connections = 1;
  uint64_t seed = 0;
  std::string tls;  // "no", "tls", "starttls"
};

// Whether every message that was to go was accepted, for all its recipients.
bool all_accepted(const RunResult& result);

std::string report_text(const Asked& asked, const RunResult& result);
std::string report_json(const Asked& asked, const RunResult& result);  // one object, a line end behind it

}  // namespace impulse::ecinject
