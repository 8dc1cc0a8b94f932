#include "server/configuration_check.h"

#include "delivery/route.h"

namespace impulse::server {

namespace {

void warn(config::Diagnostics& diagnostics, std::string id, const config::Origin& origin, std::string message) {
  config::Diagnostic diagnostic;
  diagnostic.severity = config::Diagnostic::Severity::warning;
  diagnostic.id = std::move(id);
  diagnostic.origin = origin;
  diagnostic.message = std::move(message);
  diagnostics.push_back(std::move(diagnostic));
}

}  // namespace

void ConfigurationCheck::check(const config::Snapshot& next, config::Diagnostics& diagnostics) {
  delivery::check_routes(next, diagnostics);
  bool mail = false;
  bool console = false;
  for (const auto& listen : next.listens()) {
    if (!listen->enabled()) continue;
    if (listen->listener() != config::ScopeKind::control_listener) {
      mail = true;
      continue;
    }
    console = true;
    if (!listen->endpoint().is_unix())
      warn(diagnostics, "config-open-console", listen->origin(),
           "this console is open to every user of this machine; a Unix socket can be guarded with File_Mode");
  }
  if (!mail) warn(diagnostics, "config-no-listener", {}, "no mail listener is enabled: nothing can come in");
  if (!console)
    warn(diagnostics, "config-no-console", {}, "no Control_Listener is enabled: only signals can steer this server");
}

}  // namespace impulse::server
