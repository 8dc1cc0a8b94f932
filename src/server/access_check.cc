#include "server/access_check.h"

#include "auth/files.h"
#include "auth/parameters.h"
#include "base/text.h"
#include "config/children.h"
#include "config/keys.h"
#include "smtp/policy.h"

#include <algorithm>
#include <span>
#include <vector>

namespace impulse::server {

namespace key = config::key;

namespace {

using Severity = config::Diagnostic::Severity;

class AccessCheck {
 public:
  explicit AccessCheck(config::Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void console(const config::ListenConf& listen) {
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

  // By its own options, without any Peer.
  void mail(const config::ListenConf& listen) {
    const config::Options& options = listen.options();
    const bool can_secure = options.is_set(key::tls_certificate) || options[key::tls_psk];
    const auto policy = smtp::make_policy(options, can_secure, listen.listener() == config::ScopeKind::lmtp_listener);
    const bool by_connection =
        options[key::tls_identity_as_user].index != 0 || options[key::tls_psk] || options[key::proxy_identity_as_user];
    const bool at_home = listen.endpoint().is_unix() || listen.endpoint().address().is_loopback();
    const auto warn = [&](std::string_view id, std::string message) {
      say(Severity::warning, id, listen.origin(), std::move(message));
    };
    if (policy->auth_sources.empty()) {
      if (policy->auth_required && !policy->always_allow && !by_connection)
        warn("config-no-mechanism",
             fmt::format("Enable_Authentication, and no way to authenticate on {}: {}", listen.endpoint().to_string(),
                         auth::mail_sources(options).empty()
                             ? "AuthScramParameters or another one of them is needed"
                             : "SMTP_Extensions does not name AUTH with any of the mechanisms that are configured"));
      else if (!auth::mail_sources(options).empty())
        warn("config-auth-not-offered",
             fmt::format("AUTH is not offered on {}: SMTP_Extensions does not name it with any of the mechanisms that "
                         "are configured",
                         listen.endpoint().to_string()));
    }
    missing_sources(listen, *policy, by_connection);
    if (policy->auth_sources.empty() || at_home) return;
    const auto sends_password = [](const auth::Source& source) { return auth::sends_password(source.mechanism); };
    if (policy->auth_requires_tls && !can_secure && std::ranges::all_of(policy->auth_sources, sends_password))
      warn("config-auth-needs-tls",
           fmt::format(
               "nobody from afar can authenticate on {}: PLAIN and LOGIN wait for TLS (Auth_Requires_TLS), which "
               "needs a TLS_Certificate",
               listen.endpoint().to_string()));
    if (!policy->auth_requires_tls && !policy->tls_required && !options[key::use_ssl] &&
        std::ranges::any_of(policy->auth_sources, sends_password))
      warn("config-auth-in-clear",
           fmt::format("passwords may cross the network in clear on {}: Auth_Requires_TLS is false",
                       listen.endpoint().to_string()));
  }

  // A scope of a listener's, or a Pathway, and those in it.
  void scope(const config::Scope& scope) {
    for (const auth::ParameterOption& option : auth::mail_parameters())
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

  // Mechanisms that SMTP_Extensions names, and nothing says where their users are.
  void missing_sources(const config::ListenConf& listen, const smtp::Policy& policy, bool by_connection) {
    std::vector<std::string_view> missing;
    bool named = false;
    for (const std::string& extension : listen.options()[key::smtp_extensions]) {
      const auto parts = words(extension);
      if (parts.empty() || !iequals(parts.front(), "AUTH")) continue;
      named = true;
      for (const std::string_view mechanism : std::span(parts).subspan(1)) {
        const bool there = iequals(mechanism, "EXTERNAL")
                               ? by_connection
                               : std::ranges::any_of(policy.auth_sources, [&](const auth::Source& source) {
                                   return iequals(auth::name(source.mechanism), mechanism);
                                 });
        if (!there) missing.push_back(mechanism);
      }
      if (parts.size() == 1 && policy.auth_sources.empty() && !by_connection) missing.push_back("AUTH");
    }
    if (!named || missing.empty()) return;
    say(Severity::warning, "config-auth-not-offered", listen.origin(),
        fmt::format(
            "{} of SMTP_Extensions is not offered on {}: {}", fmt::join(missing, " "), listen.endpoint().to_string(),
            missing.front() == "EXTERNAL" ? "EXTERNAL needs TLS_Identity_As_User, TLS_PSK or Proxy_Identity_As_User"
                                          : "an Auth…Parameters option has to say where the users are"));
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
  using enum config::ScopeKind;
  for (const config::ScopeKind kind : {control_listener, esmtp_listener, lmtp_listener})
    if (const auto listener = next.root()->child(kind, {})) check.scope(*listener);
  for (const config::ScopeKind kind : {pathway_group, pathway})
    next.root()->children(kind).each([&](const auto& entry) { check.scope(*entry.scope); });
  for (const auto& listen : next.listens()) {
    if (!listen->enabled()) continue;
    if (listen->listener() == control_listener)
      check.console(*listen);
    else
      check.mail(*listen);
  }
}

}  // namespace impulse::server
