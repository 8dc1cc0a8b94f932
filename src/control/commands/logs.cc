// The log files: how they fare, and new ones.
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/process.h"
#include "control/writer.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

namespace impulse::control {

Answer logs(const Invocation& call) {
  if (!call.words.empty()) return usage("logs", "nothing is expected behind it");
  const auto found = std::make_shared<const std::vector<LogStatus>>(call.system.process().logs());
  Status status;
  status.with("logs", found->size());
  return {
      std::move(status),
      each(found->size(),
           [found](Writer& writer, size_t i) {
             const LogStatus& log = (*found)[i];
             if (writer.json())
               return writer.document({{"log", log.name},
                                       {"path", log.path},
                                       {"size", log.size},
                                       {"waiting", log.waiting},
                                       {"lost", log.lost},
                                       {"rotations", log.rotations},
                                       {"trouble", log.trouble}});
             writer.text(fmt::format("{}: {}, {} bytes, {} bytes waiting, {} lines lost, rotated {} times{}", log.name,
                                     log.path.empty() ? "standard error" : log.path, log.size, log.waiting, log.lost,
                                     log.rotations, log.trouble.empty() ? "" : "; cannot be written: " + log.trouble));
           }),
      false};
}

Answer rotate_logs(const Invocation& call) {
  if (!call.words.empty()) return usage("rotate logs", "nothing is expected behind it");
  call.system.process().rotate_logs();
  return {};
}

}  // namespace impulse::control
