// impulsed: the mail injector's daemon.
#include "base/files.h"
#include "config/option_docs.h"
#include "config/syntax.h"
#include "server/command_line.h"
#include "server/daemon.h"

#include <csignal>
#include <cstdio>
#include <exception>

#include "config.h"

using namespace impulse;
using namespace impulse::server;

namespace {

Exit check_syntax(const std::string& file) {
  auto text = read_file(file);
  if (!text) {
    fmt::print(stderr, "impulsed: {}\n", text.error().message);
    return Exit::failed;
  }
  auto source = std::make_shared<config::Source>();
  source->name = file;
  source->text = std::move(*text);
  source->is_file = true;
  const config::SyntaxTree tree = config::parse(source);
  for (const config::Diagnostic& diagnostic : tree.diagnostics) fmt::print(stderr, "{}\n", diagnostic.render());
  if (config::has_errors(tree.diagnostics)) return Exit::failed;
  fmt::print("{}: well formed\n", file);
  return Exit::ok;
}

Exit dump_options(const std::string& format) {
  const auto text = config::dump_options(format);
  if (!text) {
    fmt::print(stderr, "impulsed: --dump-options: {}\n", text.error().message);
    return Exit::usage;
  }
  fmt::print("{}", *text);
  return std::fflush(stdout) == 0 ? Exit::ok : Exit::failed;
}

Exit act(const CommandLine& line) {
  switch (line.action) {
    case CommandLine::Action::help:
      fmt::print("{}", line.validate ? validate_usage_text : usage_text);
      return Exit::ok;
    case CommandLine::Action::version:
      fmt::print("{} {}\n", line.validate ? "validate_config" : "impulsed", PACKAGE_VERSION);
      return Exit::ok;
    case CommandLine::Action::check_syntax:
      return check_syntax(line.file);
    case CommandLine::Action::dump_options:
      return dump_options(line.format);
    case CommandLine::Action::check:
      return check_configuration(line.file) ? Exit::ok : Exit::failed;
    case CommandLine::Action::run:
      break;
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow further is an error of the one who writes
  Daemon daemon(line.file);
  if (!daemon.start()) return Exit::failed;
  return daemon.run() ? Exit::ok : Exit::failed;
}

}  // namespace

int main(int argc, char** argv) {
  const auto line = parse_command_line(argc, argv);
  if (!line) {
    const bool validate = is_validate_config(argc, argv);
    fmt::print(stderr, "{}: {}\n{}", validate ? "validate_config" : "impulsed", line.error().message,
               validate ? validate_usage_text : usage_text);
    return static_cast<int>(Exit::usage);
  }
  try {
    return static_cast<int>(act(*line));
  } catch (const std::exception& error) {  // memory, threads: nothing that could be foreseen
    fmt::print(stderr, "impulsed: {}\n", error.what());
    return static_cast<int>(Exit::failed);
  }
}
