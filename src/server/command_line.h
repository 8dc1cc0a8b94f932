// impulsed's command line.
#pragma once

#include "base/result.h"

#include <string>

namespace impulse::server {

// Exit codes of impulsed.
enum class Exit : int { ok = 0, failed = 1, usage = 2 };

struct CommandLine {
  enum class Action { run, check, check_syntax, help, version };
  Action action = Action::run;
  std::string file;  // configuration; for check_syntax the file to parse
};

Result<CommandLine> parse_command_line(int argc, char** argv);
extern const char usage_text[];

}  // namespace impulse::server
