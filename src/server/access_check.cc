#include "server/access_check.h"

#include "auth/files.h"
#include "auth/parameters.h"
#include "config/children.h"
#include "config/keys.h"

namespace impulse::server {

namespace key = config::key;

namespace {

using Severity = config::Diagnostic::Severity;

class AccessCheck {
 public:
  explicit AccessCheck(config::Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void listen(const config::ListenConf& listen) {
    const config::Options& options = listen.options();
    if (listen.endpoint().is_unix()) return;
    if (!options[key::enable_authentication]) {
      say(Severity::warning, "config-open-console", listen.origin(),
          "this console is open to every user of this machine; a Unix socket can be guarded with File_Mode, and "
          "Enable_Authentication asks who it is");
      return;
    }
    if (auth::console_sources(options).empty())
      say(Severity::warning, "config-no-mechanism", listen.origin(),
          "Enable_Authentication, and no way to authenticate: AuthScramParameters or another one of them is needed");
    if (!listen.endpoint().address().is_loopback() && !options[key::use_ssl])
      say(Severity::warning, "config-plain-console", listen.origin(),
          "commands and answers of this console cross the network in clear; Use_SSL = true encrypts them");
  }

  // A scope of the control listener's, and those in it.
  void scope(const config::Scope& scope) {
    for (const auth::ParameterOption& option : auth::console_parameters())
      if (const config::Setting* setting = scope.find(config::definition(option.key)))
        parameters(option.mechanism, *setting);
    if (const config::Setting* setting = scope.find(config::definition(key::authorizationparameters))) groups(*setting);
    scope.each_child([this](const config::ScopePtr& child) { this->scope(*child); });
  }

 private:
  void say(Severity severity, std::string_view id, const config::Origin& origin, std::string message) {
    if (diagnostics_.size() < 200)
      diagnostics_.push_back({severity, std::string(id), origin, 1, std::move(message), {}, {}});
  }

  void parameters(auth::Mechanism mechanism, const config::Setting& setting) {
    const auto sources = auth::read_parameters(mechanism, std::get<config::Dictionary>(setting.value));
    if (!sources)
      return say(Severity::error, "config-auth-parameters", setting.origin,
                 fmt::format("{}: {}", setting.option->name, sources.error().message));
    if (sources->empty()) return;
    const auth::Source& source = sources->front();
    verdict(setting, source.path, auth::Files::inspect_credentials(source.format, source.path));
  }

  void groups(const config::Setting& setting) {
    const auto source = auth::read_group_parameters(std::get<config::Dictionary>(setting.value));
    if (!source)
      return say(Severity::error, "config-auth-parameters", setting.origin,
                 fmt::format("{}: {}", setting.option->name, source.error().message));
    if (!source->path.empty()) verdict(setting, source->path, auth::Files::inspect_groups(source->path));
  }

  void verdict(const config::Setting& setting, const std::string& path, const auth::Files::Verdict& verdict) {
    if (!verdict.readable)
      return say(Severity::error, "config-auth-file", setting.origin,
                 fmt::format("{}: {}", setting.option->name, verdict.readable.error().message));
    for (size_t i = 0; i < verdict.bad.size() && i < 5; ++i)
      say(Severity::error, "config-auth-file", setting.origin,
          fmt::format("{}: {}:{}: {}", setting.option->name, path, verdict.bad[i].line, verdict.bad[i].why));
    if (!verdict.warning.empty())
      say(Severity::warning, "config-auth-file-open", setting.origin,
          fmt::format("{}: {}", setting.option->name, verdict.warning));
  }

  config::Diagnostics& diagnostics_;
};

}  // namespace

void check_access(const config::Snapshot& next, config::Diagnostics& diagnostics) {
  AccessCheck check(diagnostics);
  if (const auto control = next.root()->child(config::ScopeKind::control_listener, {})) check.scope(*control);
  for (const auto& listen : next.listens())
    if (listen->enabled() && listen->listener() == config::ScopeKind::control_listener) check.listen(*listen);
}

}  // namespace impulse::server
