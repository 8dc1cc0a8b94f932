// ec_console: the console of a running impulsed. See doc/ec_console.1.
#include "base/text.h"
#include "console/batch.h"
#include "console/command_line.h"
#include "console/connector.h"
#include "console/interactive.h"

#include "config.h"

#include <getopt.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace impulse::console {
namespace {

constexpr std::string_view usage_text =
    "usage: ec_console [-k] [-t NAME] [-f FILE] [OPTION...] [[USER@]ENDPOINT [COMMAND...]]\n"
    "       ec_console --help | --version\n";

constexpr std::string_view help_text =
    "\n"
    "Talks to a running impulsed. ENDPOINT is the path of its control socket,\n"
    "host:port or [v6]:port; without one it is $EC_CONSOLE_ENDPOINT, or else\n"
    "/run/impulse/control.sock. With a COMMAND, with -f, or when the input is no\n"
    "terminal: batch mode, without banner and prompt.\n"
    "\n"
    "  -f FILE               run the commands in FILE, one a line (-: standard input)\n"
    "  -k                    keep going when a command of a script fails\n"
    "  -t NAME               work in the transaction NAME; begin it if there is none\n"
    "  --timeout SECONDS     longest wait for the daemon, each time (60; 0: for ever)\n"
    "  --password-file FILE  the password is its first line (or $EC_CONSOLE_PASSWORD)\n"
    "  --tls                 TLS from the first byte, to host:port\n"
    "  --tls-ca PATH         trusted issuers, a file or folder (implies --tls)\n"
    "  --tls-name NAME       that the certificate has to have, if not the host's\n"
    "  --tls-cert FILE, --tls-key FILE\n"
    "                        show the daemon a certificate (implies --tls)\n"
    "  --tls-no-verify       take any certificate (implies --tls)\n"
    "\n"
    "Exit status: 0 to 7 as the last command's (0 ok, 1 failed, 2 usage, 3 not\n"
    "found, 4 conflict, 5 degraded, 6 denied, 7 busy), 69 cannot connect,\n"
    "75 timed out. 'help' as a COMMAND lists the commands.\n";

constexpr const char* default_endpoint = "/run/impulse/control.sock";

void print(std::FILE* stream, std::string_view text) { std::fwrite(text.data(), 1, text.size(), stream); }

struct Arguments {
  bool keep_going = false;
  std::string file;
  std::chrono::milliseconds timeout{60000};
  Access access;
  std::string command;
};

// What was wrong, on stderr.
std::nullopt_t misused(const std::string& text) {
  print(stderr, fmt::format("ec_console: {}\n{}", text, usage_text));
  return std::nullopt;
}

// Options that have no letter.
enum : int {
  timeout_option = 256,
  password_option,
  tls_option,
  ca_option,
  name_option,
  cert_option,
  key_option,
  any_option
};

constexpr option long_options[] = {{"help", no_argument, nullptr, 'h'},
                                   {"version", no_argument, nullptr, 'V'},
                                   {"timeout", required_argument, nullptr, timeout_option},
                                   {"password-file", required_argument, nullptr, password_option},
                                   {"tls", no_argument, nullptr, tls_option},
                                   {"tls-ca", required_argument, nullptr, ca_option},
                                   {"tls-name", required_argument, nullptr, name_option},
                                   {"tls-cert", required_argument, nullptr, cert_option},
                                   {"tls-key", required_argument, nullptr, key_option},
                                   {"tls-no-verify", no_argument, nullptr, any_option},
                                   {nullptr, 0, nullptr, 0}};

bool is_transaction_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return is_alpha(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
  });
}

// What is wrong with one option; empty: nothing.
std::string read_option(int found, Arguments& arguments) {
  TlsOptions& tls = arguments.access.tls;
  if (found >= tls_option) tls.enabled = true;
  switch (found) {
    case 'k':
      arguments.keep_going = true;
      break;
    case 't':
      if (!is_transaction_name(optarg)) return "-t: the name of a transaction is expected (letters, digits, . _ -)";
      arguments.access.transaction = optarg;
      break;
    case 'f':
      arguments.file = optarg;
      if (arguments.file.empty()) return "-f: the name of a file is expected";
      break;
    case timeout_option: {
      const auto seconds = parse_unsigned(optarg, 1000000);
      if (!seconds) return fmt::format("--timeout: {}", seconds.error().message);
      arguments.timeout = std::chrono::seconds(*seconds);
      break;
    }
    case password_option:
      arguments.access.password.file = optarg;
      break;
    case ca_option:
      tls.ca = optarg;
      break;
    case name_option:
      tls.name = optarg;
      break;
    case cert_option:
      tls.certificate = optarg;
      break;
    case key_option:
      tls.key = optarg;
      break;
    case any_option:
      tls.verify = false;
      break;
    default:
      break;
  }
  return {};
}

std::optional<Arguments> read_arguments(int argc, char** argv, bool& informed) {
  Arguments arguments;
  opterr = 0;
  // "+": options end at the endpoint; what follows is the daemon's to read.
  for (int found = 0; (found = ::getopt_long(argc, argv, "+:kt:f:h", long_options, nullptr)) != -1;) {
    switch (found) {
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
        return misused(fmt::format("{} needs a value", argv[optind - 1]));
      case '?':
        return misused(optopt != 0 && optopt < 256 ? fmt::format("unknown option -{}", static_cast<char>(optopt))
                                                   : fmt::format("unknown option {}", argv[optind - 1]));
      default:
        if (const std::string wrong = read_option(found, arguments); !wrong.empty()) return misused(wrong);
    }
  }
  const char* named = std::getenv("EC_CONSOLE_ENDPOINT");
  const char* endpoint = optind < argc ? argv[optind++] : named != nullptr && *named != '\0' ? named : default_endpoint;
  auto address = parse_address(endpoint);
  if (!address) return misused(address.error().message);
  if (arguments.access.tls.enabled && !address->path.empty())
    return misused(fmt::format("TLS is for host:port; {} is a socket of this machine", address->path));
  arguments.access.address = std::move(*address);
  arguments.command = join_arguments({argv + optind, static_cast<size_t>(argc - optind)});
  if (optind < argc && !is_request(arguments.command)) return misused("the command is empty");
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
  if (arguments.access.tls.enabled) std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to the socket as to a file
  Connector connector(arguments.access, settings);
  auto client = connector.connect();
  if (!client) {
    print(stderr, fmt::format("ec_console: {}\n", client.error().text));
    return client.error().exit_status();
  }
  if (interactive) return run_interactive(std::move(connector), std::move(*client), *interrupt);
  Printer printer(stdout, stderr, ::isatty(STDOUT_FILENO) == 1, ::isatty(STDERR_FILENO) == 1);
  printer.colour(colour_wanted());
  if (!arguments.command.empty()) return run_command(*client, printer, arguments.command, lines_of(input));
  return run_script(*client, printer, lines_of(input), arguments.keep_going, input == stdin ? "stdin" : arguments.file);
}

}  // namespace
}  // namespace impulse::console

int main(int argc, char** argv) {
  bool informed = false;
  const auto arguments = impulse::console::read_arguments(argc, argv, informed);
  if (!arguments) return informed ? 0 : impulse::console::exit_usage;
  return impulse::console::run(*arguments);
}
