#include "server/tls_store.h"

#include "config/children.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <string>

namespace impulse::server {

namespace {

namespace key = config::key;

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

constexpr size_t most_places = 64;  // told of one certificate

std::string name_of(const config::Options& options) {
  const std::string& certificate = options[key::tls_certificate];
  return certificate.find('\n') == std::string::npos ? certificate : "(inline)";
}

bool is_tls_option(const config::OptionDef& option) { return option.name.starts_with("TLS_"); }

bool has_tls_options(const config::Scope& scope) {
  return std::ranges::any_of(scope.settings(), [](const auto& setting) { return is_tls_option(*setting->option); });
}

// The Pathways that have a say in TLS, by themselves or by their group.
std::set<std::string, std::less<>> tls_pathways(const config::Scope& root) {
  std::set<std::string, std::less<>> names;
  root.each_child([&](const config::ScopePtr& child) {
    const bool says = has_tls_options(*child);
    if (says && child->def().kind == config::ScopeKind::pathway) names.insert(child->instance());
    if (child->def().kind != config::ScopeKind::pathway_group) return;
    child->each_child([&](const config::ScopePtr& pathway) {
      if (says || has_tls_options(*pathway)) names.insert(pathway->instance());
    });
  });
  return names;
}

}  // namespace

// The entry that is live, when its files are what they were; else a new one.
Result<TlsStore::Entry> TlsStore::entry_for(const net::TlsSettings& settings, std::string name) const {
  const std::string identity = file_identity(settings.certificate) + "|" + file_identity(settings.key);
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : live_)
      if (entry.settings == settings && entry.identity == identity)
        return Entry{settings, std::move(name), {}, identity, entry.context};
  }
  auto made = net::TlsContext::server(settings);
  if (!made) return std::unexpected(std::move(made.error()));
  return Entry{settings, std::move(name), {}, identity, std::move(*made)};
}

Result<net::TlsContextPtr> TlsStore::server_context(const config::Snapshot& snapshot, const config::Options& options) {
  const auto settings = options.derived<net::TlsSettings>([&](const config::Options& chain) {
    return std::make_shared<const net::TlsSettings>(settings_of(snapshot, chain));
  });
  if (settings->certificate.empty()) return nullptr;
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : live_)
      if (entry.settings == *settings) return entry.context;
  }
  auto entry = entry_for(*settings, name_of(options));
  if (!entry) return std::unexpected(std::move(entry.error()));
  const std::lock_guard lock(mutex_);
  live_.push_back(*entry);
  return entry->context;
}

void TlsStore::adopt() noexcept {
  const std::lock_guard lock(mutex_);
  live_ = std::move(candidates_);
  candidates_.clear();
}

void TlsStore::check_scope(const config::Snapshot& next, const config::Scope& scope, const config::Options& options,
                           const std::string& where, config::Diagnostics& diagnostics) {
  const net::TlsSettings settings = settings_of(next, options);
  if (settings.certificate.empty()) return;
  const std::string place = fmt::format("{} ({})", where, scope.origin().to_string());
  const auto known = std::find_if(candidates_.begin(), candidates_.end(),
                                  [&](const Entry& entry) { return entry.settings == settings; });
  if (known != candidates_.end()) {
    if (known->places.size() < most_places) known->places.push_back(place);
    return;
  }
  auto entry = entry_for(settings, name_of(options));
  if (entry) {
    entry->places.push_back(place);
    candidates_.push_back(std::move(*entry));
    return;
  }
  config::Diagnostic diagnostic;
  diagnostic.id = "tls-certificate";
  diagnostic.origin = scope.origin();
  for (const auto& setting : scope.settings())
    if (is_tls_option(*setting->option)) diagnostic.origin = setting->origin;
  if (const config::Setting* set = scope.find(config::definition(key::tls_certificate)))
    diagnostic.origin = set->origin;
  diagnostic.message = entry.error().message;
  diagnostics.push_back(std::move(diagnostic));
}

std::vector<TlsStore::InUse> TlsStore::in_use() const {
  const std::lock_guard lock(mutex_);
  std::vector<InUse> found;
  for (const Entry& entry : live_) found.push_back({entry.name, entry.places, entry.context});
  return found;
}

Result<net::TlsContextPtr> TlsStore::on_disk(size_t index) const {
  net::TlsSettings settings;
  {
    const std::lock_guard lock(mutex_);
    if (index >= live_.size()) return fail(Errc::not_found, "there is no such certificate any more");
    settings = live_[index].settings;
  }
  auto entry = entry_for(settings, {});
  if (!entry) return std::unexpected(std::move(entry.error()));
  return entry->context;
}

Result<std::vector<std::string>> TlsStore::reload() {
  std::vector<Entry> old;
  {
    const std::lock_guard lock(mutex_);
    old = live_;
  }
  std::vector<Entry> fresh;
  std::vector<std::string> renewed;
  for (const Entry& entry : old) {
    auto made = entry_for(entry.settings, entry.name);
    if (!made) return std::unexpected(std::move(made.error()));
    if (made->context == entry.context) continue;
    renewed.push_back(entry.name);
    fresh.push_back(std::move(*made));
    fresh.back().places = entry.places;
  }
  const std::lock_guard lock(mutex_);
  for (Entry& entry : fresh)  // others may have come meanwhile, by a chain of Peers
    for (Entry& live : live_)
      if (live.settings == entry.settings) {
        live = std::move(entry);
        break;
      }
  return renewed;
}

// Only what differs from the last look is looked at: there may be a million.
const std::set<std::string>& TlsStore::chosen_peers(const config::ScopePtr& scope, const std::string& where) {
  Chosen& chosen = chosen_[where];
  const config::ChildMap nothing;
  const config::ChildMap& before = chosen.scope ? chosen.scope->children(config::ScopeKind::peer) : nothing;
  config::ChildMap::difference(
      before, scope->children(config::ScopeKind::peer), [&](const config::ScopePtr& was, const config::ScopePtr& is) {
        if (was) chosen.peers.erase(was->instance());
        if (!is) return true;
        const config::Setting* pathway = is->find(config::definition(key::pathway));
        const bool extended = pathway && pathways_.contains(std::get<std::string>(pathway->value));
        if (extended || has_tls_options(*is)) chosen.peers.insert(is->instance());
        return true;
      });
  chosen.scope = scope;
  return chosen.peers;
}

void TlsStore::check(const config::Snapshot& next, config::Diagnostics& diagnostics) {
  candidates_.clear();
  const auto pathways = tls_pathways(*next.root());
  if (pathways != pathways_) chosen_.clear();
  pathways_ = pathways;
  std::set<std::string> seen;
  const auto peers = [&](const config::ListenConf& listen, const config::ScopePtr& scope, const std::string& where) {
    seen.insert(where);
    for (const std::string& instance : chosen_peers(scope, where)) {
      const config::ScopePtr peer = scope->child(config::ScopeKind::peer, instance);
      if (const auto network = IpPrefix::parse(instance))
        check_scope(next, *peer, listen.for_peer(network->address()), where + " Peer " + instance, diagnostics);
    }
  };
  for (const auto& listen : next.listens()) {
    if (!listen->enabled()) continue;
    const config::ScopePtr listener = next.root()->child(listen->listener(), "");
    if (!listener) continue;
    const config::ScopePtr scope = listener->child(config::ScopeKind::listen, listen->endpoint().to_string());
    if (!scope) continue;
    const std::string where(config::scope_def(listen->listener()).name);
    const std::string there = where + " Listen " + listen->endpoint().to_string();
    check_scope(next, *scope, listen->options(), there, diagnostics);
    peers(*listen, listener, where);
    peers(*listen, scope, there);
  }
  std::erase_if(chosen_, [&](const auto& entry) { return !seen.contains(entry.first); });
}

}  // namespace impulse::server
