#include "server/tls_store.h"

#include <sys/stat.h>

#include <algorithm>

namespace impulse::server {

namespace {

namespace key = config::key;

// Kept with the options block: a context, or the fact that there is none.
struct Holder {
  net::TlsContextPtr context;
};

std::string file_identity(std::string_view location) {
  if (location.starts_with("file://")) location.remove_prefix(7);
  struct stat status{};
  if (location.find('\n') != std::string_view::npos || ::stat(std::string(location).c_str(), &status) != 0) return {};
  return fmt::format("{}.{}.{}.{}.{}", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec);
}

net::TlsSettings settings_of(const config::Snapshot& snapshot, const config::Options& options) {
  net::TlsSettings settings;
  settings.certificate = options[key::tls_certificate];
  settings.key = options[key::tls_key];
  if (const config::Options* named = snapshot.certificate(settings.certificate)) {
    settings.certificate = (*named)[key::cert];
    settings.key = (*named)[key::private_key];
  }
  settings.key_password = options[key::tls_key_password];
  settings.protocols = options[key::tls_protocols];
  settings.ciphers = options[key::tls_ciphers];
  settings.ciphersuites = options[key::tls_ciphersuites];
  settings.groups = options[key::tls_groups];
  settings.prefer_server_ciphers = options[key::tls_prefer_server_ciphers];
  settings.session_tickets = options[key::tls_session_tickets];
  return settings;
}

bool is_tls_option(const config::OptionDef& option) { return option.name.starts_with("TLS_"); }

}  // namespace

Result<net::TlsContextPtr> TlsStore::make(const config::Snapshot& snapshot, const config::Options& options) {
  const std::string& name = options[key::tls_certificate];
  if (name.empty() || name == "none") return nullptr;
  const net::TlsSettings settings = settings_of(snapshot, options);
  const std::string identity = file_identity(settings.certificate) + "|" + file_identity(settings.key);

  const std::lock_guard lock(mutex_);
  std::erase_if(cache_, [](const Cached& cached) { return cached.context.expired(); });
  for (const Cached& cached : cache_)
    if (cached.settings == settings && cached.identity == identity)
      if (auto context = cached.context.lock()) return context;
  auto made = net::TlsContext::server(settings);
  if (!made) return std::unexpected(made.error());
  cache_.push_back({settings, identity, *made});
  return *made;
}

net::TlsContextPtr TlsStore::server_context(const config::Snapshot& snapshot, const config::Options& options) {
  return options
      .derived<Holder>([&](const config::Options&) {
        // check() has made it well once; a file that vanished since leaves the session without TLS.
        return std::make_shared<const Holder>(make(snapshot, options).value_or(nullptr));
      })
      ->context;
}

void TlsStore::check_scope(const config::Snapshot& next, const config::Scope& scope, const config::Options& options,
                           config::Diagnostics& diagnostics) {
  const auto made = make(next, options);
  if (made) {
    // Kept with the block from here on, so that the files are read just once.
    options.derived<Holder>([&](const config::Options&) { return std::make_shared<const Holder>(*made); });
    return;
  }
  config::Diagnostic diagnostic;
  diagnostic.id = "tls-certificate";
  diagnostic.origin = scope.origin();
  for (const auto& setting : scope.settings())
    if (is_tls_option(*setting->option)) diagnostic.origin = setting->origin;
  if (const config::Setting* set = scope.find(*config::find_option("TLS_Certificate"))) diagnostic.origin = set->origin;
  diagnostic.message = made.error().message;
  diagnostics.push_back(std::move(diagnostic));
}

void TlsStore::check(const config::Snapshot& next, config::Diagnostics& diagnostics) {
  const auto peers = [&](const config::ListenConf& listen, const config::Scope& scope) {
    scope.each_child([&](const config::ScopePtr& peer) {
      if (peer->def().kind != config::ScopeKind::peer) return;
      if (std::none_of(peer->settings().begin(), peer->settings().end(),
                       [](const auto& setting) { return is_tls_option(*setting->option); }))
        return;
      if (const auto network = IpPrefix::parse(peer->instance()))
        check_scope(next, *peer, listen.for_peer(network->address()), diagnostics);
    });
  };
  for (const auto& listen : next.listens()) {
    if (!listen->enabled()) continue;
    const config::ScopePtr listener = next.root()->child(listen->listener(), "");
    if (!listener) continue;
    const config::ScopePtr scope = listener->child(config::ScopeKind::listen, listen->endpoint().to_string());
    if (!scope) continue;
    check_scope(next, *scope, listen->options(), diagnostics);
    peers(*listen, *listener);
    peers(*listen, *scope);
  }
}

}  // namespace impulse::server
