// impulsed's command line.
#pragma once

#include "base/result.h"

#include <string>

namespace impulse::server {

// Exit codes of impulsed.
enum class Exit : int { ok = 0, failed = 1, usage = 2 };

struct CommandLine {
  enum class Action { run, check, check_syntax, dump_options, help, version };
  Action action = Action::run;
  std::string file;       // configuration; for check_syntax the file to parse
  std::string format;     // of dump_options: markdown, json or man
  bool validate = false;  // called as validate_config
};

// Called as validate_config it is "impulsed --check" with the file as an argument.
Result<CommandLine> parse_command_line(int argc, char** argv);
// Whether argv[0] says validate_config.
bool is_validate_config(int argc, char** argv);
extern const char usage_text[];
extern const char validate_usage_text[];

}  // namespace impulse::server
