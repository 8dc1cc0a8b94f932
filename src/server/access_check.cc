#include "server/access_check.h"

#include "api/routes.h"
#include "auth/files.h"
#include "auth/parameters.h"
#include "base/text.h"
#include "config/children.h"
#include "config/keys.h"
#include "smtp/policy.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::server {

namespace key = config::key;

namespace {

using Severity = config::Diagnostic::Severity;

// What there is to say about how mail sessions authenticate under some options.
// Found once and kept with them: a commit leaves most Listens as they are.
struct Advice {
  struct Item {
    std::string_view id;
    std::string text;
    bool from_afar = false;  // does not matter to clients of this machine
  };
  std::vector<Item> items;
};

// Mechanisms that SMTP_Extensions names, and nothing says who their users are.
std::vector<std::string_view> not_offered(const config::Strings& extensions, const smtp::Policy& policy,
                                          bool by_connection) {
  std::vector<std::string_view> missing;
  for (const std::string& extension : extensions) {
    const auto parts = words(extension);
    if (parts.empty() || !iequals(parts.front(), "AUTH")) continue;
    if (parts.size() == 1 && policy.auth_sources.empty() && !by_connection) missing.push_back(parts.front());
    for (const std::string_view mechanism : std::span(parts).subspan(1)) {
      const auto is_it = [&](const auth::Source& source) { return iequals(auth::name(source.mechanism), mechanism); };
      if (iequals(mechanism, "EXTERNAL") ? !by_connection : std::ranges::none_of(policy.auth_sources, is_it))
        missing.push_back(mechanism);
    }
  }
  return missing;
}

std::shared_ptr<const Advice> advise(const config::Options& options) {
  Advice advice;
  const auto say = [&](std::string_view id, std::string text, bool from_afar = false) {
    advice.items.push_back({id, std::move(text), from_afar});
  };
  const bool can_secure = options.is_set(key::tls_certificate) || options[key::tls_psk];
  const bool by_connection =
      options[key::tls_identity_as_user].index != 0 || options[key::tls_psk] || options[key::proxy_identity_as_user];
  const auto policy = smtp::make_policy(options, can_secure);
  const auto& sources = policy->auth_sources;
  const bool configured = !auth::mail_sources(options).empty();
  constexpr std::string_view unnamed =
      "SMTP_Extensions does not name AUTH with any of the mechanisms that are configured";
  if (sources.empty() && policy->auth_required && !policy->always_allow && !by_connection)
    say("config-no-mechanism",
        fmt::format("Enable_Authentication, and no way to authenticate: {}",
                    configured ? unnamed : "AuthScramParameters or another one of them is needed"));
  else if (sources.empty() && configured)
    say("config-auth-not-offered", fmt::format("AUTH is not offered: {}", unnamed));
  if (const auto missing = not_offered(options[key::smtp_extensions], *policy, by_connection); !missing.empty())
    say("config-auth-not-offered", fmt::format("{} of SMTP_Extensions is not offered: {}", fmt::join(missing, " "),
                                               iequals(missing.front(), "EXTERNAL")
                                                   ? "it needs TLS_Identity_As_User, TLS_PSK or Proxy_Identity_As_User"
                                                   : "one of Auth…Parameters has to say where the users are"));
  const auto sends_password = [](const auth::Source& source) { return auth::sends_password(source.mechanism); };
  if (!sources.empty() && policy->auth_requires_tls && !can_secure && std::ranges::all_of(sources, sends_password))
    say("config-auth-needs-tls",
        "nobody from afar can authenticate: PLAIN and LOGIN wait for TLS (Auth_Requires_TLS), which needs a "
        "TLS_Certificate",
        true);
  if (!policy->auth_requires_tls && !policy->tls_required && !options[key::use_ssl] &&
      std::ranges::any_of(sources, sends_password))
    say("config-auth-in-clear", "passwords may cross the network in clear: Auth_Requires_TLS is false", true);
  return std::make_shared<const Advice>(std::move(advice));
}

// The same for HTTP.
struct HttpAdvice : Advice {};

std::shared_ptr<const HttpAdvice> advise_http(const config::Options& options) {
  HttpAdvice advice;
  const bool keys = !auth::key_source(options).path.empty();
  const auto plain = auth::read_parameters(auth::Mechanism::plain, options[key::authplainparameters]);
  const bool passwords = plain && !plain->empty();
  const bool by_connection = options[key::tls_identity_as_user].index != 0 || options[key::tls_psk] ||
                             options[key::proxy_identity_as_user] || options[key::tls_verified_peer_is_authorized];
  const auto modules = api::Modules::read(options[key::http_modules]);
  if (modules && modules->has(api::Module::admin)) {
    if (modules->has(api::Module::inject))
      advice.items.push_back({"config-admin-with-mail",
                              "commands (admin) are taken where mail is injected: a Listen of its own keeps them apart",
                              true});
    const bool by_roles = options[key::enable_authorization] && (passwords || by_connection);
    if (!options[key::tenant].empty() || options[key::always_allow] || (!keys && !by_roles))
      advice.items.push_back({"config-no-admin",
                              "nobody can run commands: admin needs API_Keys with that right, or users and "
                              "Enable_Authorization, and neither a Tenant nor Always_Allow"});
  }
  if (options[key::enable_authentication] && !keys && !passwords && !by_connection && !options[key::always_allow])
    advice.items.push_back({"config-no-mechanism",
                            "Enable_Authentication, and no way to authenticate: API_Keys or another way is needed"});
  if ((keys || passwords) && !options[key::enable_authentication] && !options[key::always_deny])
    advice.items.push_back(
        {"config-auth-optional",
         fmt::format("{} without Enable_Authentication: nobody has to present what it knows; whoever reaches it "
                     "from one of Relay_Hosts, such as this machine, sends mail to everywhere",
                     keys ? "API_Keys" : "AuthPlainParameters")});
  if (!(keys || passwords) || options[key::use_ssl] || options[key::tls_required])
    return std::make_shared<const HttpAdvice>(std::move(advice));
  if (options[key::auth_requires_tls])
    advice.items.push_back(
        {"config-auth-needs-tls",
         "nobody from afar can authenticate: keys and passwords wait for TLS (Auth_Requires_TLS), which needs Use_SSL",
         true});
  else
    advice.items.push_back({"config-auth-in-clear",
                            "keys and passwords may cross the network in clear: Auth_Requires_TLS is false", true});
  return std::make_shared<const HttpAdvice>(std::move(advice));
}

// … and for ECStream, which begins TLS with the connection or not at all.
struct EcstreamAdvice : Advice {};

std::shared_ptr<const EcstreamAdvice> advise_ecstream(const config::Options& options) {
  EcstreamAdvice advice;
  const std::vector<auth::Source> sources = auth::mail_sources(options);
  const bool by_connection =
      options[key::tls_identity_as_user].index != 0 || options[key::tls_psk] || options[key::proxy_identity_as_user];
  if (sources.empty() && options[key::enable_authentication] && !options[key::always_allow] && !by_connection)
    advice.items.push_back(
        {"config-no-mechanism",
         "Enable_Authentication, and no way to authenticate: AuthScramParameters or another one of them is needed"});
  const auto sends_password = [](const auth::Source& source) { return auth::sends_password(source.mechanism); };
  if (options[key::use_ssl] || options[key::tls_required] || std::ranges::none_of(sources, sends_password))
    return std::make_shared<const EcstreamAdvice>(std::move(advice));
  if (!options[key::auth_requires_tls])
    advice.items.push_back(
        {"config-auth-in-clear", "passwords may cross the network in clear: Auth_Requires_TLS is false", true});
  else if (std::ranges::all_of(sources, sends_password))
    advice.items.push_back(
        {"config-auth-needs-tls",
         "nobody from afar can authenticate: PLAIN and LOGIN wait for TLS (Auth_Requires_TLS), which needs Use_SSL",
         true});
  return std::make_shared<const EcstreamAdvice>(std::move(advice));
}

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
    const bool at_home = listen.endpoint().is_unix() || listen.endpoint().address().is_loopback();
    std::shared_ptr<const Advice> advice;
    if (listen.listener() == config::ScopeKind::http_listener)
      advice = listen.options().derived<HttpAdvice>(advise_http);
    else if (listen.listener() == config::ScopeKind::ecstream_listener)
      advice = listen.options().derived<EcstreamAdvice>(advise_ecstream);
    else
      advice = listen.options().derived<Advice>(advise);
    for (const Advice::Item& item : advice->items)
      if (!item.from_afar || !at_home)
        say(Severity::warning, item.id, listen.origin(),
            fmt::format("Listen \"{}\": {}", listen.endpoint().to_string(), item.text));
  }

  // A scope of a listener's, or a Pathway, and those in it.
  void scope(const config::Scope& scope) {
    // Of a million Peers hardly one says anything here.
    if (!scope.settings().empty()) settings(scope);
    scope.each_child([this](const config::ScopePtr& child) { this->scope(*child); });
  }

 private:
  void settings(const config::Scope& scope) {
    for (const auth::ParameterOption& option : auth::mail_parameters())
      if (const config::Setting* setting = scope.find(config::definition(option.key)))
        parameters(option.mechanism, *setting);
    if (const config::Setting* setting = scope.find(config::definition(key::authorizationparameters))) groups(*setting);
    if (const config::Setting* setting = scope.find(config::definition(key::api_keys))) keys(*setting);
  }

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

  void keys(const config::Setting& setting) {
    const auto source = auth::read_key_parameters(std::get<config::Dictionary>(setting.value));
    if (!source)
      return say(Severity::error, "config-auth-parameters", setting.origin,
                 fmt::format("{}: {}", setting.option->name, source.error().message));
    if (!source->path.empty()) verdict(setting, source->path, auth::Files::inspect_keys(source->path));
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
  for (const config::ScopeKind kind :
       {control_listener, esmtp_listener, lmtp_listener, http_listener, ecstream_listener})
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
