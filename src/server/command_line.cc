#include "server/command_line.h"

#include <getopt.h>

#include <array>
#include <string_view>

#include "config.h"

namespace impulse::server {

const char usage_text[] =
    "usage: impulsed [-c FILE]            run in the foreground\n"
    "       impulsed --check [-c FILE]    check the configuration, change nothing\n"
    "       impulsed --check-syntax FILE  only parse FILE, whatever its option names\n"
    "       impulsed --dump-options=FORMAT\n"
    "                                     every option and scope, as markdown, json or man\n"
    "       impulsed --version | --help\n"
    "\n"
    "  -c, --config FILE   the configuration file (default " IMPULSE_CONF
    ")\n"
    "  -f, --foreground    accepted for habit: impulsed never leaves the foreground\n"
    "\n"
    "SIGTERM ends it in order, SIGHUP reloads the configuration and reopens the logs.\n"
    "Exit status: 0 ended in order or all is well, 1 configuration or start-up failed, 2 usage.\n";

const char validate_usage_text[] =
    "usage: validate_config [FILE]        check a configuration, change nothing\n"
    "       validate_config --version | --help\n"
    "\n"
    "The same as impulsed --check -c FILE (default " IMPULSE_CONF
    ").\n"
    "Exit status: 0 all is well, 1 the configuration has mistakes, 2 usage.\n";

bool is_validate_config(int argc, char** argv) {
  if (argc == 0) return false;
  const std::string_view name = argv[0];
  return name.substr(name.rfind('/') + 1) == "validate_config";
}

Result<CommandLine> parse_command_line(int argc, char** argv) {
  enum { check_option = 256, check_syntax_option, dump_option };
  static constexpr std::array<option, 8> long_options{{
      {"config", required_argument, nullptr, 'c'},
      {"foreground", no_argument, nullptr, 'f'},
      {"check", no_argument, nullptr, check_option},
      {"check-syntax", no_argument, nullptr, check_syntax_option},
      {"dump-options", required_argument, nullptr, dump_option},
      {"version", no_argument, nullptr, 'V'},
      {"help", no_argument, nullptr, 'h'},
      {nullptr, 0, nullptr, 0},
  }};
  CommandLine line;
  line.file = IMPULSE_CONF;
  line.validate = is_validate_config(argc, argv);
  if (line.validate) line.action = CommandLine::Action::check;
  opterr = 0;
  optind = 1;
  for (;;) {
    const int found = getopt_long(argc, argv, ":c:fhV", long_options.data(), nullptr);
    if (found == -1) break;
    switch (found) {
      case 'c':
        line.file = optarg;
        break;
      case 'f':
        break;
      case check_option:
        line.action = CommandLine::Action::check;
        break;
      case check_syntax_option:
        line.action = CommandLine::Action::check_syntax;
        break;
      case dump_option:
        line.action = CommandLine::Action::dump_options;
        line.format = optarg;
        break;
      case 'V':
        line.action = CommandLine::Action::version;
        return line;
      case 'h':
        line.action = CommandLine::Action::help;
        return line;
      case ':':
        return fail(Errc::invalid, "option {} needs a value", argv[optind - 1]);
      default:
        return fail(Errc::invalid, "unknown option {}", argv[optind - 1]);
    }
  }
  if (line.action == CommandLine::Action::check_syntax) {
    if (optind + 1 != argc) return fail(Errc::invalid, "--check-syntax takes one file");
    line.file = argv[optind];
  } else if (line.validate && optind + 1 == argc) {
    line.file = argv[optind];
  } else if (optind != argc) {
    return fail(Errc::invalid, "unexpected argument '{}'", argv[optind]);
  }
  return line;
}

}  // namespace impulse::server
