// Options into routes.
#include "delivery/route.h"

#include "auth/sasl_client.h"
#include "base/host_name.h"
#include "base/text.h"
#include "config/checks.h"
#include "delivery/ways.h"
#include "dns/resolv_conf.h"
#include "queue/binding.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <functional>
#include <mutex>
#include <utility>

namespace impulse::delivery {
namespace {

namespace key = config::key;
using config::Options;

net::TlsSettings tls_settings(const Options& options, const config::Snapshot& snapshot) {
  net::TlsSettings settings;
  settings.protocols = options[key::tls_protocols];
  settings.ciphers = options[key::tls_ciphers];
  settings.ciphersuites = options[key::tls_ciphersuites];
  settings.groups = options[key::tls_groups];
  settings.ca = options[key::tls_ca];
  const auto verify = config::choice(key::tls_verify, options[key::tls_verify]);
  settings.verify = verify == "no" ? net::TlsVerify::none : net::TlsVerify::require;
  const std::string& certificate = options[key::tls_certificate];
  if (const Options* named = snapshot.certificate(certificate)) {
    settings.certificate = (*named)[key::cert];
    settings.key = (*named)[key::private_key];
  } else {
    settings.certificate = certificate;
    settings.key = options[key::tls_key];
  }
  settings.key_password = options[key::tls_key_password];
  // What listeners want with the global key is no affair of a courier that shows no certificate.
  if (settings.certificate.empty() && &options[key::tls_key] == &snapshot.global()[key::tls_key]) {
    settings.key.clear();
    settings.key_password.clear();
  }
  return settings;
}

// Our own certificate is shown to a next host that asks for one; hardly any
// does, and the key may be root's alone. Mail goes out without it then.
Result<net::TlsContextPtr> client_context(net::TlsSettings settings, std::vector<std::string>& notes) {
  auto context = net::TlsContext::client(settings);
  // What the option's name stands in is told at its place (place_of).
  if (!context && context.error().message.starts_with("trusted issuers"))
    return fail(context.error().code, "TLS_CA: {}", context.error().message);
  if (context || settings.certificate.empty()) return context;
  const std::string reason = context.error().message;
  settings.certificate.clear();
  settings.key.clear();
  settings.key_password.clear();
  context = net::TlsContext::client(settings);
  if (context) notes.push_back("delivering without a client certificate: " + reason);
  return context;
}

// A snapshot's client contexts, one for all scopes that want the same.
class Contexts {
 public:
  struct Made {
    net::TlsSettings settings;
    Result<net::TlsContextPtr> context;
    std::vector<std::string> notes;
  };
  Made get(const net::TlsSettings& settings) const {
    const std::lock_guard lock(mutex_);
    for (const Made& made : made_) {
      if (made.settings == settings) return made;
    }
    std::vector<std::string> notes;
    auto context = client_context(settings, notes);
    made_.push_back({settings, std::move(context), std::move(notes)});
    return made_.back();
  }

 private:
  mutable std::mutex mutex_;
  mutable std::vector<Made> made_;
};

// Of Gateway and Routes the one that was set for less mail counts; Routes, where both were for the same.
bool goes_by_gateway(const Options& options, const Options& global) {
  if (options[key::gateway].empty() || options[key::routes].empty()) return !options[key::gateway].empty();
  const bool own_gateway = &options[key::gateway] != &global[key::gateway];
  const bool own_routes = &options[key::routes] != &global[key::routes];
  return own_gateway && !own_routes;
}

// False: the route has a problem.
bool read_hosts(Route& route, const Options& options, const config::Snapshot& snapshot) {
  const auto port = static_cast<uint16_t>(route.lmtp       ? options[key::lmtp_port]
                                          : route.ecstream ? options[key::ecstream_port]
                                                           : options[key::remote_smtp_port]);
  if (goes_by_gateway(options, snapshot.global())) {
    for (const std::string& text : options[key::gateway]) {
      auto gateway = parse_gateway(text, port);
      if (!gateway) {
        route.problem = "no route: " + gateway.error().message;
        return false;
      }
      gateway->rank = static_cast<uint16_t>(std::min<size_t>(route.gateways.size(), UINT16_MAX));
      route.gateways.push_back(std::move(*gateway));
    }
    return true;
  }
  for (const std::string& text : options[key::routes]) {
    auto entry = config::parse_route_entry(text);
    if (!entry) {
      route.problem = "no route: " + entry.error().message;
      return false;
    }
    route.ways.push_back(std::move(*entry));
  }
  if (route.ways.empty()) route.ways.emplace_back().kind = config::RouteEntry::Kind::domain;
  for (config::RouteEntry& way : route.ways)
    if (way.port == 0) way.port = port;
  if (std::ranges::any_of(route.ways, [](const auto& way) { return way.kind != config::RouteEntry::Kind::host; }))
    return true;
  // All of them are known.
  Ways ways;
  for (size_t i = 0; i < route.ways.size(); ++i) ways.add(route.ways[i], i);
  route.gateways = std::move(ways).gateways();
  route.ways.clear();
  return true;
}

// RFC 2033 §5: who listens there takes it for SMTP, and may relay or repeat what LMTP leaves to the client. ECStream
// would find nobody there who knows it.
bool wants_smtp(const Route& route) {
  constexpr uint16_t smtp_port = 25;
  return std::ranges::any_of(
             route.gateways,
             [](const Gateway& gateway) { return gateway.path.empty() && gateway.port == smtp_port; }) ||
         std::ranges::any_of(route.ways, [](const config::RouteEntry& way) { return way.port == smtp_port; });
}

// False: the route has a problem.
bool read_login(Route& route, const Options& options) {
  const auto xclient = config::choice(key::xclient, options[key::xclient]);
  route.xclient = xclient == "no"         ? smtp::XclientUse::no
                  : xclient == "required" ? smtp::XclientUse::required
                                          : smtp::XclientUse::if_available;
  if (route.ecstream && route.xclient == smtp::XclientUse::required) {
    route.problem = "no route: XCLIENT is SMTP's and LMTP's: ECStream cannot have it required";
    return false;
  }
  smtp::ClientLogin login;
  login.user = options[key::outbound_smtp_auth_user];
  login.password = options[key::outbound_smtp_auth_pass];
  login.mechanisms = options[key::outbound_smtp_auth_type];
  login.requires_tls = options[key::outbound_smtp_auth_requires_tls];
  const auto known = auth::client_mechanisms();
  for (const std::string& mechanism : login.mechanisms) {
    if (std::ranges::any_of(known, [&](std::string_view each) { return iequals(each, mechanism); })) continue;
    route.problem = fmt::format("no route: Outbound_SMTP_AUTH_Type: expected {}, got '{}'", fmt::join(known, ", "),
                                escape_line(mechanism, 80));
    return false;
  }
  if (login.user.empty()) return true;
  if (login.password.empty())
    route.problem = "no route: Outbound_SMTP_AUTH_User needs an Outbound_SMTP_AUTH_Pass";
  else if (login.mechanisms.empty())
    route.problem = "no route: Outbound_SMTP_AUTH_User needs an Outbound_SMTP_AUTH_Type";
  else if (route.xclient != smtp::XclientUse::no)
    route.problem = "no route: XCLIENT and Outbound_SMTP_AUTH_User exclude each other: who authenticated would be lost";
  route.login = std::move(login);
  return route.problem.empty();
}

void read_smtp(Route& route, const Options& options, const config::Snapshot& snapshot, const Contexts& contexts) {
  if (!read_hosts(route, options, snapshot)) return;
  if ((route.lmtp || route.ecstream) && wants_smtp(route)) {
    route.problem = fmt::format("no route: {} is not for port 25, which is SMTP's", route.lmtp ? "LMTP" : "ECStream");
    return;
  }
  if (route.ecstream &&
      std::ranges::any_of(route.ways, [](const auto& way) { return way.kind != config::RouteEntry::Kind::host; })) {
    route.problem =
        "no route: ECStream needs next hosts that are named: a Gateway, or Routes without __mx__ and type=mx";
    return;
  }
  if (!read_login(route, options)) return;
  const auto tls = config::choice(key::tls, options[key::tls]);
  route.tls = tls == "no" ? smtp::TlsUse::no : tls == "required" ? smtp::TlsUse::required : smtp::TlsUse::if_available;
  if (route.login && route.tls == smtp::TlsUse::no && std::ranges::any_of(route.ways, [](const auto& way) {
        return way.kind == config::RouteEntry::Kind::exchanges;
      })) {
    route.problem =
        "no route: Outbound_SMTP_AUTH_User needs TLS with type=mx: the DNS names those hosts, and their "
        "certificates are verified before they get the password";
    return;
  }
  const net::TlsSettings settings = tls_settings(options, snapshot);
  if (route.tls != smtp::TlsUse::no) {
    Contexts::Made made = contexts.get(settings);
    if (!made.context) {
      route.problem = "no route: " + made.context.error().message;
      return;
    }
    route.tls_context = std::move(*made.context);
    route.notes = std::move(made.notes);
    route.tls_verify_name = config::choice(key::tls_verify, options[key::tls_verify]) == "host";
  }
  if (const std::string& source = options[key::bind_address]; !source.empty()) {
    auto address = IpAddress::parse(source);
    if (!address) {
      route.problem = "no route: Bind_Address: " + address.error().message;
      return;
    }
    route.source = *address;
  }
  route.ehlo_name = options[key::ehlo_hostname];
  if (route.ehlo_name.empty() || route.ehlo_name == config::own_hostname) route.ehlo_name = route.hostname;
  route.timeouts.banner = options[key::connect_timeout];
  route.timeouts.ehlo = options[key::ehlo_timeout];
  route.timeouts.mail = options[key::mailfrom_timeout];
  route.timeouts.rcpt = options[key::rcptto_timeout];
  route.timeouts.data = options[key::body_timeout];
  route.timeouts.body = options[key::body_timeout];
  route.timeouts.rset = options[key::rset_timeout];
  route.connect_timeout = options[key::connect_timeout];
  route.idle_timeout = options[key::idle_timeout];
  route.max_connections = static_cast<size_t>(options[key::max_outbound_connections]);
  route.binding_max_connections = static_cast<size_t>(options[key::server_max_outbound_connections]);
  route.max_deliveries = static_cast<uint64_t>(options[key::max_deliveries_per_connection]);
  route.batch = static_cast<size_t>(options[key::max_recipients_per_batch]);
  route.method = Route::Method::smtp;

  route.how =
      fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", route.protocol(), route.source ? route.source->to_string() : "",
                  route.ehlo_name, static_cast<int>(route.tls), options[key::tls_verify].index, settings.ca,
                  settings.protocols, settings.ciphers, settings.ciphersuites, settings.groups, settings.certificate);
  route.how += fmt::format("|{}", static_cast<int>(route.xclient));
  if (const auto& login = route.login)
    route.how += fmt::format("|{}|{:x}|{}|{}", login->user, std::hash<std::string>()(login->password),
                             fmt::join(login->mechanisms, " "), login->requires_tls);
  route.name_hop();
}

RoutePtr make_route(const Options& options, const config::Snapshot& snapshot, const Contexts& contexts) {
  auto route = std::make_shared<Route>();
  route->suspended = options[key::suspend_delivery];
  route->hostname = options[key::hostname];
  if (route->hostname.empty()) route->hostname = host_name();
  route->mailer_daemon = options[key::mailerdaemon];
  if (route->mailer_daemon.empty()) route->mailer_daemon = "MAILER-DAEMON@" + route->hostname;
  route->message_rate = options[key::outbound_throttle_messages];
  route->connection_rate = options[key::outbound_throttle_connections];
  route->expiration = options[key::message_expiration];
  route->retry_interval = options[key::retry_interval];
  route->max_retry_interval = std::max(options[key::max_retry_interval], route->retry_interval);
  route->max_retries = static_cast<uint32_t>(std::min<int64_t>(options[key::max_retries], UINT32_MAX));
  route->never_retry = options[key::never_retry];
  route->bounces = options[key::generate_bounces];
  route->delay_reports = options[key::generate_delay_dsn];
  route->delay_interval = options[key::delay_dsn_retry_interval];
  const auto original = config::choice(key::bounces_inline_original, options[key::bounces_inline_original]);
  route->original = original == "full" ? Route::Original::full
                    : original == "no" ? Route::Original::no
                                       : Route::Original::headers;

  const auto method = config::choice(key::delivery_method, options[key::delivery_method]);
  if (options[key::blackhole] || method == "blackhole") {
    route->method = Route::Method::blackhole;
  } else if (method == "esmtp" || method == "smtp" || method == "lmtp" || method == "ecstream") {
    route->lmtp = method == "lmtp";
    route->ecstream = method == "ecstream";
    read_smtp(*route, options, snapshot, contexts);
  } else if (method == "maildir") {
    auto path = MaildirPath::parse(options[key::maildir_path]);
    if (path) {
      route->maildir = std::move(*path);
      route->method = Route::Method::maildir;
    } else {
      route->problem = "no route: " + path.error().message;
    }
  } else {
    route->problem = fmt::format("no route: Delivery_Method {} is not in this version", method);
  }
  return route;
}

RoutePtr route_of(const Options& options, const config::Snapshot& snapshot) {
  // Before the route's own derived(), which holds the lock of its options.
  const auto contexts =
      snapshot.global().derived<Contexts>([](const Options&) { return std::make_shared<const Contexts>(); });
  return options.derived<Route>([&](const Options& of) { return make_route(of, snapshot, *contexts); });
}

}  // namespace

void Route::name_hop() {
  hop.clear();
  for (const Gateway& gateway : gateways)
    hop += fmt::format("{}|{}|{}{}{}|", gateway.host, gateway.port, gateway.rank,
                       gateway.origin == Gateway::Origin::configured ? "" : "d",
                       login && gateway.login == Gateway::Login::verified ? "v" : "");
  // Not looked up yet.
  for (const config::RouteEntry& way : ways)
    hop += fmt::format("?{}|{}|{}|{}|{}|", static_cast<int>(way.kind), way.host, way.port, way.preference.value_or(0),
                       way.ttl.value_or(Duration{0}).count());
  hop += how;
}

RoutePtr route_to(const config::Snapshot& snapshot, std::string_view domain, std::string_view binding) {
  if (const auto known = queue::binding_name(snapshot, binding); !known.empty())
    return route_of(snapshot.for_delivery(known, domain), snapshot);
  const auto instead = queue::choose_binding(snapshot, snapshot.global()[key::default_binding]);
  return route_of(snapshot.for_delivery(instead.value_or(std::string(queue::default_binding)), domain), snapshot);
}

// What has to be looked at again.
struct RouteCheck::Difference {
  bool everything = false;
  std::vector<config::ScopePtr> domains;  // in the global scope
};

namespace {

// Options that decide whether a route can be made.
bool decides(const config::OptionDef& option) {
  static const auto deciding = [] {
    std::bitset<config::option_count> found;
    const auto add = [&](auto... keys) { (found.set(keys.index), ...); };
    add(key::delivery_method, key::blackhole, key::maildir_path, key::gateway, key::routes, key::remote_smtp_port,
        key::lmtp_port, key::ecstream_port, key::xclient, key::outbound_smtp_auth_type, key::outbound_smtp_auth_user,
        key::outbound_smtp_auth_pass, key::bind_address, key::tls, key::tls_verify, key::tls_protocols,
        key::tls_ciphers, key::tls_ciphersuites, key::tls_groups, key::tls_ca, key::tls_certificate, key::tls_key,
        key::tls_key_password);
    return found;
  }();
  return deciding[option.index];
}

// Where the scope sets what the text names (the longest name: that of TLS stands in many), else the method, or
// where it begins.
const config::Origin& place_of(const config::Scope& scope, std::string_view text) {
  const config::Setting* place = scope.find(config::definition(key::delivery_method));
  size_t length = 0;
  for (const auto& setting : scope.settings()) {
    const std::string_view name = setting->option->name;
    if (!decides(*setting->option) || name.size() <= length || !text.contains(name)) continue;
    place = setting.get();
    length = name.size();
  }
  return place == nullptr ? scope.origin() : place->origin;
}

using Settings = std::vector<std::shared_ptr<const config::Setting>>;

// The very same settings: edits share those that they leave alone.
bool same_decision(const Settings& a, const Settings& b) {
  const auto next = [](auto at, auto end) {
    return std::find_if(at, end, [](const auto& setting) { return decides(*setting->option); });
  };
  auto one = next(a.begin(), a.end());
  auto other = next(b.begin(), b.end());
  while (one != a.end() && other != b.end()) {  // both in the order of options
    if (*one != *other) return false;
    one = next(one + 1, a.end());
    other = next(other + 1, b.end());
  }
  return one == a.end() && other == b.end();
}

// Nothing differs in what decides, down to the Domains.
bool same_decisions(const config::ChildMap& before, const config::ChildMap& now) {
  static const Settings none;
  return config::ChildMap::difference(before, now, [](const config::ScopePtr& was, const config::ScopePtr& is) {
    if (!same_decision(was ? was->settings() : none, is ? is->settings() : none)) return false;
    const config::ChildMap nothing;
    return std::ranges::all_of(std::array{config::ScopeKind::binding, config::ScopeKind::domain}, [&](auto kind) {
      return same_decisions(was ? was->children(kind) : nothing, is ? is->children(kind) : nothing);
    });
  });
}

bool same_certificates(const config::ChildMap& before, const config::ChildMap& now) {
  return config::ChildMap::difference(before, now, [](const auto&, const auto&) { return false; });
}

}  // namespace

// Files that are read anew make new settings, so that a reload looks at all.
RouteCheck::Difference RouteCheck::difference(const Ground& before, const Ground& now) {
  Difference found;
  found.everything = !same_decision(before.global, now.global) ||
                     !same_certificates(before.certificates, now.certificates) ||
                     !same_decisions(before.groups, now.groups) || !same_decisions(before.bindings, now.bindings);
  // With Bindings a Domain is fallen back on from Domains in them.
  const bool alone = now.groups.empty() && now.bindings.empty();
  static const Settings none;
  const auto visit = [&](const config::ScopePtr& was, const config::ScopePtr& is) {
    if (same_decision(was ? was->settings() : none, is ? is->settings() : none)) return true;
    const bool pattern = (is ? is : was)->instance().starts_with('/');
    found.everything = pattern || !alone;
    if (is) found.domains.push_back(is);
    return !found.everything;
  };
  if (!found.everything) config::ChildMap::difference(before.domains, now.domains, visit);
  return found;
}

namespace {

// Others may fall back on what is set further out.
bool useless_login(const config::Scope& scope, const Route& route) {
  return route.login && scope.def().kind == config::ScopeKind::domain &&
         scope.find(config::definition(key::outbound_smtp_auth_user)) != nullptr && route.gateways.empty() &&
         std::ranges::all_of(route.ways, [](const auto& way) { return way.kind == config::RouteEntry::Kind::domain; });
}

}  // namespace

void RouteCheck::check(const config::Snapshot& snapshot, config::Diagnostics& diagnostics) {
  using config::ScopeKind;
  bool bad = false;
  const auto report = [&](const config::Origin& origin, config::Diagnostic::Severity severity, std::string text) {
    bad = bad || severity == config::Diagnostic::Severity::error;
    config::Diagnostic diagnostic;
    diagnostic.severity = severity;
    diagnostic.id = "delivery-route";
    diagnostic.origin = origin;
    diagnostic.message = std::move(text);
    diagnostics.push_back(std::move(diagnostic));
  };
  const auto check = [&](const config::Scope& scope, const Options& options) {
    const RoutePtr route = route_of(options, snapshot);
    using Severity = config::Diagnostic::Severity;
    for (const std::string& note : route->notes) report(place_of(scope, note), Severity::warning, note);
    if (useless_login(scope, *route)) {
      constexpr std::string_view text =
          "Outbound_SMTP_AUTH_User is for hosts that Gateway or Routes names, and not for the mail exchanges that "
          "this domain's mail goes to";
      report(place_of(scope, text), Severity::warning, std::string(text));
    }
    if (route->method != Route::Method::none) return;
    std::string_view text = route->problem;
    if (text.starts_with("no route: ")) text.remove_prefix(10);
    report(place_of(scope, text), Severity::error, std::string(text));
  };
  const config::Scope& root = *snapshot.root();
  // A file of another name, or read anew: it may be edited at any time, and is read again then.
  if (const auto conf = dns::read_resolv_conf(snapshot.global()[key::resolv_conf]); !conf) {
    const config::Setting* setting = root.find(config::definition(key::resolv_conf));
    report(setting == nullptr ? root.origin() : setting->origin, config::Diagnostic::Severity::error,
           "Resolv_Conf: " + conf.error().message);
  }
  Ground now{root.settings(), root.children(ScopeKind::certificate), root.children(ScopeKind::binding_group),
             root.children(ScopeKind::binding), root.children(ScopeKind::domain)};
  Difference differs;
  if (well_)
    differs = difference(*well_, now);
  else
    differs.everything = true;
  if (differs.everything) {
    check(root, snapshot.global());
    snapshot.each_delivery_scope(check);
  } else {
    for (const config::ScopePtr& domain : differs.domains)
      check(*domain, snapshot.for_delivery(config::ScopePath{{ScopeKind::domain, domain->instance()}}));
  }
  if (!bad) well_ = std::move(now);
}

}  // namespace impulse::delivery
