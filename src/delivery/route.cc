// Options into routes.
#include "delivery/route.h"

#include "base/host_name.h"
#include "base/text.h"

#include <algorithm>
#include <array>
#include <bitset>
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
    settings.key_password = options[key::tls_key_password];
  }
  return settings;
}

// Our own certificate is shown to a next host that asks for one; hardly any
// does, and the key may be root's alone. Mail goes out without it then.
Result<net::TlsContextPtr> client_context(net::TlsSettings settings, std::vector<std::string>& notes) {
  auto context = net::TlsContext::client(settings);
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

void read_smtp(Route& route, const Options& options, const config::Snapshot& snapshot, const Contexts& contexts) {
  const auto port = static_cast<uint16_t>(options[key::remote_smtp_port]);
  for (const std::string& text : options[key::gateway]) {
    auto gateway = parse_gateway(text, port);
    if (!gateway) {
      route.problem = "no route: " + gateway.error().message;
      return;
    }
    route.gateways.push_back(std::move(*gateway));
  }
  if (route.gateways.empty()) {
    route.problem =
        "no route: set Gateway, or Delivery_Method = maildir (routing by MX records is not in this version)";
    return;
  }
  const auto tls = config::choice(key::tls, options[key::tls]);
  route.tls = tls == "no" ? smtp::TlsUse::no : tls == "required" ? smtp::TlsUse::required : smtp::TlsUse::if_available;
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
  if (route.ehlo_name.empty()) route.ehlo_name = route.hostname;
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
  route.server_max_connections = static_cast<size_t>(options[key::server_max_outbound_connections]);
  route.max_deliveries = static_cast<uint64_t>(options[key::max_deliveries_per_connection]);
  route.batch = static_cast<size_t>(options[key::max_recipients_per_batch]);
  route.method = Route::Method::smtp;

  // All that makes one connection unlike another.
  for (const Gateway& gateway : route.gateways) route.hop += fmt::format("{}|{}|", gateway.host, gateway.port);
  route.hop +=
      fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", route.source ? route.source->to_string() : "", route.ehlo_name,
                  static_cast<int>(route.tls), options[key::tls_verify].index, settings.ca, settings.protocols,
                  settings.ciphers, settings.ciphersuites, settings.groups, settings.certificate);
}

RoutePtr make_route(const Options& options, const config::Snapshot& snapshot, const Contexts& contexts) {
  auto route = std::make_shared<Route>();
  route->suspended = options[key::suspend_delivery];
  route->hostname = options[key::hostname];
  if (route->hostname.empty()) route->hostname = host_name();
  route->mailer_daemon = options[key::mailerdaemon];
  if (route->mailer_daemon.empty()) route->mailer_daemon = "MAILER-DAEMON@" + route->hostname;
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
  if (method == "esmtp" || method == "smtp") {
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

namespace {

// An IPv6 address without brackets is taken as one without a port. Where its
// end may be meant as one, or has to be, nobody can tell what the mail would
// connect to: "2001:db8::1:25" is an address, and "2001:db8::1" with a port.
Result<> check_brackets(std::string_view text) {
  const size_t colon = text.rfind(':');
  const std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const auto number = parse_unsigned(port, 65535);
  if (!number || *number == 0 || !IpAddress::parse(host)) return {};
  if (!IpAddress::parse(text))
    return fail(Errc::invalid, "Gateway '{}': an IPv6 address needs brackets before a port: [{}]:{}",
                escape_line(text, 80), host, port);
  return fail(Errc::invalid,
              "Gateway '{}': an address, or one with a port? Write [{}] for the address, [{}]:{} for the port",
              escape_line(text, 80), text, host, port);
}

}  // namespace

Result<Gateway> parse_gateway(std::string_view text, uint16_t default_port) {
  Gateway gateway;
  gateway.port = default_port;
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos)
      return fail(Errc::invalid, "Gateway '{}': ']' is missing", escape_line(text, 80));
    host = text.substr(1, end - 1);
    if (istarts_with(host, "IPv6:")) host.remove_prefix(5);
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && !rest.starts_with(':')) {
      return fail(Errc::invalid, "Gateway '{}': expected :port behind ']'", escape_line(text, 80));
    }
    if (!rest.empty()) port = rest.substr(1).empty() ? std::string_view("0") : rest.substr(1);
    if (!IpAddress::parse(host)) {
      return fail(Errc::invalid, "Gateway '{}': expected an address in brackets", escape_line(text, 80));
    }
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    const size_t colon = text.find(':');
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) port = "0";
  } else if (auto clear = check_brackets(text); text.contains(':') && !clear) {
    return std::unexpected(std::move(clear.error()));
  }
  if (!port.empty()) {
    const auto number = parse_unsigned(port, 65535);
    if (!number || *number == 0) {
      return fail(Errc::invalid, "Gateway '{}': expected a port from 1 to 65535", escape_line(text, 80));
    }
    gateway.port = static_cast<uint16_t>(*number);
  }
  if (const auto address = IpAddress::parse(host)) {
    gateway.address = *address;
    gateway.host = address->to_string();
    return gateway;
  }
  const auto legal = [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; };
  if (host.empty() || host.size() > 255 || !std::all_of(host.begin(), host.end(), legal)) {
    return fail(Errc::invalid, "Gateway '{}': expected a host name or an address", escape_line(text, 80));
  }
  gateway.host = lower(host);
  return gateway;
}

RoutePtr route_to(const config::Snapshot& snapshot, std::string_view domain) {
  return route_of(snapshot.for_domain(domain), snapshot);
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
    add(key::delivery_method, key::maildir_path, key::gateway, key::bind_address, key::tls, key::tls_verify,
        key::tls_protocols, key::tls_ciphers, key::tls_ciphersuites, key::tls_groups, key::tls_ca, key::tls_certificate,
        key::tls_key, key::tls_key_password);
    return found;
  }();
  return deciding[option.index];
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
    for (const std::string& note : route->notes) report(scope.origin(), Severity::warning, note);
    if (route->method != Route::Method::none) return;
    // Without any Gateway mail waits, which is what somebody may want for now.
    const auto method = config::choice(key::delivery_method, options[key::delivery_method]);
    if (method != "maildir" && options[key::gateway].empty()) return;
    std::string_view text = route->problem;
    if (text.starts_with("no route: ")) text.remove_prefix(10);
    report(scope.origin(), Severity::error, std::string(text));
  };
  const config::Scope& root = *snapshot.root();
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
