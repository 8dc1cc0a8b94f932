// ec_console: the console of a running impulsed. See doc/ec_console.1.
#include "base/text.h"
#include "console/batch.h"
#include "console/command_line.h"
#include "console/interactive.h"

#include "config.h"

#include <getopt.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

namespace impulse::console {
namespace {

constexpr std::string_view usage_text =
    "usage: ec_console [-k] [-t SECONDS] [-f FILE] ENDPOINT [COMMAND...]\n"
    "       ec_console --help | --version\n";

constexpr std::string_view help_text =
    "\n"
    "Talks to a running impulsed. ENDPOINT is the path of its control socket,\n"
    "host:port or [v6]:port. With a COMMAND, with -f, or when the input is no\n"
    "terminal: batch mode, without banner and prompt.\n"
    "\n"
    "  -f FILE     run the commands in FILE, one a line (-: standard input)\n"
    "  -k          keep going when a command of a script fails\n"
    "  -t SECONDS  longest wait for the daemon, each time (60; 0: for ever)\n"
    "\n"
    "Exit status: 0 to 7 as the last command's (0 ok, 1 failed, 2 usage, 3 not\n"
    "found, 4 conflict, 5 degraded, 6 denied, 7 busy), 69 cannot connect,\n"
    "75 timed out. 'help' as a COMMAND lists the commands.\n";

void print(std::FILE* stream, std::string_view text) { std::fwrite(text.data(), 1, text.size(), stream); }

struct Arguments {
  bool keep_going = false;
  std::string file;
  std::chrono::milliseconds timeout{60000};
  Address address;
  std::string command;
};

// What was wrong, on stderr.
std::nullopt_t misused(const std::string& text) {
  print(stderr, fmt::format("ec_console: {}\n{}", text, usage_text));
  return std::nullopt;
}

std::optional<Arguments> read_arguments(int argc, char** argv, bool& informed) {
  static const option long_options[] = {
      {"help", no_argument, nullptr, 'h'}, {"version", no_argument, nullptr, 'V'}, {nullptr, 0, nullptr, 0}};
  Arguments arguments;
  opterr = 0;
  // "+": options end at the endpoint; what follows is the daemon's to read.
  for (int found = 0; (found = ::getopt_long(argc, argv, "+:kt:f:h", long_options, nullptr)) != -1;) {
    switch (found) {
      case 'k':
        arguments.keep_going = true;
        break;
      case 't': {
        const auto seconds = parse_unsigned(optarg, 1000000);
        if (!seconds) return misused(fmt::format("-t: {}", seconds.error().message));
        arguments.timeout = std::chrono::seconds(*seconds);
        break;
      }
      case 'f':
        arguments.file = optarg;
        if (arguments.file.empty()) return misused("-f: the name of a file is expected");
        break;
      case 'h':
        print(stdout, usage_text);
        print(stdout, help_text);
        informed = true;
        return std::nullopt;
      case 'V':
        print(stdout, "ec_console (impulse) " PACKAGE_VERSION "\n");
        informed = true;
        return std::nullopt;
      case ':':
        return misused(fmt::format("-{} needs a value", static_cast<char>(optopt)));
      default:
        return misused(optopt != 0 ? fmt::format("unknown option -{}", static_cast<char>(optopt))
                                   : fmt::format("unknown option {}", argv[optind - 1]));
    }
  }
  if (optind == argc) return misused("an endpoint is expected");
  auto address = parse_address(argv[optind]);
  if (!address) return misused(address.error().message);
  // The protocol's authentication comes with a later version: a name that
  // would have no effect is not taken.
  if (!address->user.empty())
    return misused("user@ is not available in this version: the daemon knows its Unix peers by their user id");
  arguments.address = std::move(*address);
  arguments.command = join_arguments({argv + optind + 1, static_cast<size_t>(argc - optind - 1)});
  if (optind + 1 < argc && !is_request(arguments.command)) return misused("the command is empty");
  if (!arguments.command.empty() && !arguments.file.empty()) return misused("-f and a command exclude each other");
  return arguments;
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

int run(const Arguments& arguments) {
  std::unique_ptr<std::FILE, CloseFile> opened;
  std::FILE* input = stdin;
  if (!arguments.file.empty() && arguments.file != "-") {
    opened.reset(std::fopen(arguments.file.c_str(), "re"));
    if (!opened) {
      print(stderr, fmt::format("ec_console: {}: {}\n", arguments.file, errno_text(errno)));
      return exit_failed;
    }
    input = opened.get();
  }
  const bool interactive = arguments.command.empty() && arguments.file.empty() && ::isatty(STDIN_FILENO) == 1;
  Client::Settings settings{arguments.timeout, -1};
  std::optional<Interrupt> interrupt;
  if (interactive) {
    interrupt.emplace();
    settings.wake = interrupt->fd();
  }
  auto client = Client::connect(arguments.address, settings);
  if (!client) {
    print(stderr, fmt::format("ec_console: {}\n", client.error().text));
    return client.error().exit_status();
  }
  if (interactive) return run_interactive(arguments.address, std::move(*client), settings, *interrupt);
  Printer printer(stdout, stderr, ::isatty(STDOUT_FILENO) == 1, ::isatty(STDERR_FILENO) == 1);
  if (!arguments.command.empty()) return run_command(*client, printer, arguments.command, lines_of(input));
  return run_script(*client, printer, lines_of(input), arguments.keep_going);
}

}  // namespace
}  // namespace impulse::console

int main(int argc, char** argv) {
  bool informed = false;
  const auto arguments = impulse::console::read_arguments(argc, argv, informed);
  if (!arguments) return informed ? 0 : impulse::console::exit_usage;
  return impulse::console::run(*arguments);
}
