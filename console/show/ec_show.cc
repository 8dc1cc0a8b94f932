// ec_show: what is in a spool, whether its daemon runs or not. See doc/ec_show.1.
#include "console/show/export.h"
#include "console/show/messages.h"
#include "console/show/options.h"
#include "console/show/output.h"
#include "console/show/quarantine.h"

#include "config.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>

namespace impulse::ecshow {
namespace {

int act(const Options& options) {
  using Action = Options::Action;
  if (options.action == Action::quarantine) return show_quarantine(options);
  if (options.action == Action::message) return show_message(options);
  const auto view = spool::View::open(spool::system_files(), options.spool);
  if (!view) return say_error(view.error());
  if (options.action == Action::export_pairs) return export_messages(**view, options);
  return options.action == Action::summary ? show_summary(**view, options) : list_messages(**view, options);
}

int main_of(int argc, char** argv) {
  const auto options = read_options(argc, argv, wall_now());
  if (!options) {
    complain(options.error().text);
    fmt::print(stderr, "Try 'ec_show --help'.\n");
    return options.error().status;
  }
  if (options->action == Options::Action::help) {
    print(usage_text);
    return all_printed() ? status_done : status_spool;
  }
  if (options->action == Options::Action::version) {
    print(fmt::format("ec_show {}\n", PACKAGE_VERSION));
    return all_printed() ? status_done : status_spool;
  }
  // All segments are open at once.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &files);
  }
  std::signal(SIGPIPE, SIG_IGN);  // said as any other failure to write
  const int status = act(*options);
  if (all_printed()) return status;
  complain("standard output cannot be written");
  return status_spool;
}

}  // namespace
}  // namespace impulse::ecshow

int main(int argc, char** argv) { return impulse::ecshow::main_of(argc, argv); }
