#include "server/tls_store.h"

#include "config/children.h"
#include "server/tls_settings.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace impulse::server {

namespace {

namespace key = config::key;

constexpr size_t most_places = 64;  // told of one certificate

bool is_tls_option(const config::OptionDef& option) { return option.name.starts_with("TLS_"); }

bool has_tls_options(const config::Scope& scope) {
  return std::ranges::any_of(scope.settings(), [](const auto& setting) { return is_tls_option(*setting->option); });
}

// The Pathways that have a say in TLS, by themselves or by their group.
std::set<std::string, std::less<>> tls_pathways(const config::Scope& root) {
  std::set<std::string, std::less<>> names;
  const auto note = [&](const config::Scope& parent, bool says) {
    parent.children(config::ScopeKind::pathway).each([&](const config::ChildMap::Entry& pathway) {
      if (says || has_tls_options(*pathway.scope)) names.insert(pathway.scope->instance());
    });
  };
  note(root, false);
  root.children(config::ScopeKind::pathway_group).each([&](const config::ChildMap::Entry& group) {
    note(*group.scope, has_tls_options(*group.scope));
  });
  return names;
}

// What of a scope to show when its certificate is bad.
config::Origin origin_of(const config::Scope& scope) {
  config::Origin origin = scope.origin();
  for (const auto& setting : scope.settings())
    if (is_tls_option(*setting->option)) origin = setting->origin;
  if (const config::Setting* set = scope.find(config::definition(key::tls_certificate))) origin = set->origin;
  return origin;
}

// In the order of Snapshot::listens().
std::pair<config::ScopeKind, const Endpoint&> place_of(const config::ListenConf& listen) {
  return {listen.listener(), listen.endpoint()};
}

}  // namespace

// The entry that is live, when its files are what they were; else a new one.
Result<TlsStore::Entry> TlsStore::entry_for(const net::TlsSettings& settings, std::string name) const {
  const std::string identity = files_of(settings);
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : live_)
      if (entry.settings == settings && entry.identity == identity)
        return Entry{settings, std::move(name), {}, identity, false, entry.context};
  }
  auto made = net::TlsContext::server(settings);
  if (!made) return std::unexpected(std::move(made.error()));
  return Entry{settings, std::move(name), {}, identity, false, std::move(*made)};
}

Result<net::TlsContextPtr> TlsStore::server_context(const config::Snapshot& snapshot, const config::Options& options) {
  const auto settings = tls_settings(snapshot, options);
  if (!offers_tls(*settings)) return nullptr;
  {
    const std::lock_guard lock(mutex_);
    for (Entry& entry : live_)
      if (entry.settings == *settings) {
        entry.waiting = false;
        return entry.context;
      }
  }
  auto entry = entry_for(*settings, certificate_name(options));
  if (!entry) return std::unexpected(std::move(entry.error()));
  const std::lock_guard lock(mutex_);
  live_.push_back(*entry);
  return entry->context;
}

// What sessions had made for a chain of Peers that nobody foresaw stays for
// one commit more, so that tickets outlive it: whether the next snapshot has
// such a chain shows when such a client comes again.
void TlsStore::keep_unforeseen() {
  std::vector<Entry> kept;
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : live_)
      if (entry.places.empty() && !entry.waiting) kept.push_back(entry);
  }
  for (Entry& entry : kept) {
    const bool known =
        std::ranges::any_of(candidates_, [&](const Entry& candidate) { return candidate.settings == entry.settings; });
    if (known || files_of(entry.settings) != entry.identity) continue;
    entry.waiting = true;
    candidates_.push_back(std::move(entry));
  }
}

void TlsStore::adopt() noexcept {
  std::vector<Entry> old = std::move(candidates_);
  candidates_.clear();
  // What is no longer used goes outside the lock: sessions that shake hands look here.
  const std::lock_guard lock(mutex_);
  live_.swap(old);
}

void TlsStore::need(const Use& use, config::Diagnostics& diagnostics) {
  const auto known =
      std::ranges::find_if(candidates_, [&](const Entry& entry) { return entry.settings == *use.settings; });
  if (known != candidates_.end()) {
    if (known->places.size() < most_places) known->places.push_back(use.place);
    return;
  }
  auto entry = entry_for(*use.settings, use.name);
  if (entry) {
    entry->places.push_back(use.place);
    candidates_.push_back(std::move(*entry));
    return;
  }
  config::Diagnostic diagnostic;
  diagnostic.id = "tls-certificate";
  diagnostic.origin = use.origin;
  diagnostic.message = entry.error().message;
  diagnostics.push_back(std::move(diagnostic));
}

std::vector<TlsStore::InUse> TlsStore::in_use() const {
  const std::lock_guard lock(mutex_);
  std::vector<InUse> found;
  for (const Entry& entry : live_) found.push_back({entry.name, entry.places, entry.settings.ca, entry.context});
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
void TlsStore::choose(Chosen& chosen, const config::ScopePtr& scope) const {
  if (chosen.scope == scope) return;
  const config::ChildMap nothing;
  const config::ChildMap& before = chosen.scope ? chosen.scope->children(config::ScopeKind::peer) : nothing;
  config::ChildMap::difference(
      before, scope->children(config::ScopeKind::peer), [&](const config::ScopePtr& was, const config::ScopePtr& is) {
        if (was && chosen.peers.erase(was->instance()) > 0) ++chosen.changes;
        if (!is) return true;
        const config::Setting* pathway = is->find(config::definition(key::pathway));
        const bool extended = pathway && pathways_.contains(std::get<std::string>(pathway->value));
        if (!extended && !has_tls_options(*is)) return true;
        chosen.peers.insert(is->instance());
        ++chosen.changes;
        return true;
      });
  chosen.scope = scope;
}

std::vector<TlsStore::Use> TlsStore::uses_of(const config::Snapshot& next, const config::ListenConf& listen,
                                             const Chosen& of_listener, const Chosen& of_listen) const {
  std::vector<Use> uses;
  const auto add = [&](const config::Scope& scope, const config::Options& options, const std::string& where) {
    auto settings = tls_settings(next, options);
    if (!offers_tls(*settings)) return;
    uses.push_back({std::move(settings), certificate_name(options),
                    fmt::format("{} ({})", where, scope.origin().to_string()), origin_of(scope)});
  };
  const auto peers = [&](const Chosen& chosen, const std::string& where) {
    for (const std::string& instance : chosen.peers)
      if (const auto network = IpPrefix::parse(instance))
        add(*chosen.scope->child(config::ScopeKind::peer, instance), listen.for_peer(network->address()),
            where + " Peer " + instance);
  };
  const std::string where(config::scope_def(listen.listener()).name);
  const std::string there = where + " Listen " + listen.endpoint().to_string();
  add(*of_listen.scope, listen.options(), there);
  peers(of_listener, where);
  peers(of_listen, there);
  return uses;
}

void TlsStore::check(const config::Snapshot& next, config::Diagnostics& diagnostics) {
  candidates_.clear();
  if (auto pathways = tls_pathways(*next.root()); pathways != pathways_) {
    pathways_ = std::move(pathways);
    of_listeners_.clear();
    served_.clear();
  }
  std::vector<Served> served;
  served.reserve(next.listens().size());
  auto known = served_.begin();
  const config::ListenConf* last = nullptr;
  Chosen* of_listener = nullptr;
  for (const auto& listen : next.listens()) {
    if (last == nullptr || last->listener() != listen->listener()) {
      of_listener = &of_listeners_[listen->listener()];
      choose(*of_listener, next.root()->child(listen->listener(), ""));
    }
    last = listen.get();
    if (!listen->enabled()) continue;
    while (known != served_.end() && place_of(*known->listen) < place_of(*listen)) ++known;
    Served each;
    if (known != served_.end() && place_of(*known->listen) == place_of(*listen)) each = std::move(*known++);
    const config::ScopePtr scope = of_listener->scope->child(config::ScopeKind::listen, listen->endpoint().to_string());
    if (!scope) continue;
    // The Listen is another one as soon as a value differs; its scope, where
    // only lines do.
    if (each.listen != listen || each.peers.scope != scope || each.of_listener != of_listener->changes) {
      choose(each.peers, scope);
      each.listen = listen;
      each.of_listener = of_listener->changes;
      each.uses = uses_of(next, *listen, *of_listener, each.peers);
    }
    for (const Use& use : each.uses) need(use, diagnostics);
    served.push_back(std::move(each));
  }
  keep_unforeseen();
  served_ = std::move(served);
  std::erase_if(of_listeners_, [&](const auto& entry) { return next.root()->child(entry.first, "") == nullptr; });
}

}  // namespace impulse::server
