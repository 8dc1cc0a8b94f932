// Compiling a tree into a snapshot, taking over from the previous one what did
// not change, so that a single edit costs what it changes.
#include "config/snapshot.h"

#include "config/compiler.h"
#include "config/delivery_scopes.h"
#include "config/keys.h"

#include <algorithm>
#include <span>

namespace impulse::config {
namespace {

const Setting* find_setting(const Settings& settings, const OptionDef& option) {
  for (const auto& setting : settings)
    if (setting->option == &option) return setting.get();
  return nullptr;
}

// The root's settings, but restart-class options as they have been running.
// (They stand in the global scope and in Security only; a test holds the
// catalogue to it.)
Settings effective_global(const Settings& said, const Settings* running) {
  if (!running) return said;
  const auto restarts = [](const auto& setting) { return setting->option->effect == Effect::restart; };
  Settings effective;
  std::ranges::copy_if(said, std::back_inserter(effective), std::not_fn(restarts));
  std::ranges::copy_if(*running, std::back_inserter(effective), restarts);
  std::ranges::sort(effective, {}, [](const auto& setting) { return setting->option->index; });
  return effective;
}

// The values, or the previous vector where those are the same.
SettingsPtr shared_settings(Settings settings, const SettingsPtr& previous) {
  if (previous && same_values(settings, *previous)) return previous;
  return std::make_shared<const Settings>(std::move(settings));
}

bool same_origin(const Origin& a, const Origin& b) {
  return a.source == b.source && a.place.line == b.place.line && a.place.column == b.place.column;
}

using ListenRange = std::span<const std::shared_ptr<const ListenConf>>;

// Those of one listener.
ListenRange of_listener(const std::vector<std::shared_ptr<const ListenConf>>& listens, ScopeKind listener) {
  return ListenRange(
      std::ranges::equal_range(listens, listener, {}, [](const auto& conf) { return conf->listener(); }));
}

const CompiledListen* compiled(const std::shared_ptr<const ListenConf>& conf) {
  return static_cast<const CompiledListen*>(conf.get());
}

}  // namespace

CompiledSnapshot::CompiledSnapshot(ScopePtr root, uint64_t generation, const CompiledSnapshot* previous)
    : root_(std::move(root)), generation_(generation) {
  compile_global(previous);
  compile_security(previous);
  compile_roles(previous);
  compile_pathways(previous);
  compile_listeners(previous);
}

void CompiledSnapshot::compile_global(const CompiledSnapshot* previous) {
  const SettingsPtr running = previous ? previous->global_ : nullptr;
  global_ = shared_settings(effective_global(root_->settings(), running.get()), running);
  size_t budget = compare_budget;
  same_base_ =
      previous && global_ == running &&
      same_children(previous->root_->children(ScopeKind::certificate), root_->children(ScopeKind::certificate), budget);

  const auto block = [&](const ScopePtr& scope) {
    return std::make_shared<const Block>(ScopeKind::global, global_, scope);
  };
  global_block_ = same_base_ ? previous->global_block_ : block(nullptr);

  certificates_ = blocks_of(ScopeKind::certificate, previous, previous ? previous->certificates_ : nullptr);
  event_loops_ = blocks_of(ScopeKind::event_loop, previous, previous ? previous->event_loops_ : nullptr);
  const ScopePtr flags = root_->child(ScopeKind::debug_flags, "");
  debug_flags_ = flags ? block(flags) : global_block_;

  const DeliveryScopes* delivery = previous ? previous->delivery_.get() : nullptr;
  delivery_ = delivery && delivery->same(*root_, global_block_)
                  ? previous->delivery_
                  : std::make_shared<const DeliveryScopes>(*root_, global_block_, delivery);
}

std::shared_ptr<const CompiledSnapshot::Blocks> CompiledSnapshot::blocks_of(
    ScopeKind kind, const CompiledSnapshot* previous, const std::shared_ptr<const Blocks>& old) const {
  const ChildMap& scopes = root_->children(kind);
  const bool same_global = previous && previous->global_ == global_;
  if (same_global && very_same(previous->root_->children(kind), scopes)) return old;
  auto blocks = std::make_shared<Blocks>();
  scopes.each([&](const ChildMap::Entry& entry) {
    const auto was = same_global ? old->find(entry.scope->instance()) : Blocks::const_iterator{};
    const bool same =
        same_global && was != old->end() && same_values(was->second->scope->settings(), entry.scope->settings());
    blocks->emplace(entry.scope->instance(),
                    same ? was->second : std::make_shared<const Block>(ScopeKind::global, global_, entry.scope));
  });
  return blocks;
}

void CompiledSnapshot::compile_security(const CompiledSnapshot* previous) {
  if (previous) {
    security_ = previous->security_;  // until the next start
    return;
  }
  const ScopePtr said = root_->child(ScopeKind::security, "");
  security_ = said ? std::make_shared<const Block>(ScopeKind::global, global_, said) : global_block_;
}

void CompiledSnapshot::compile_roles(const CompiledSnapshot* previous) {
  const ScopePtr scope = root_->child(ScopeKind::authorization, "");
  if (previous && previous->root_->child(ScopeKind::authorization, "") == scope) {
    roles_ = previous->roles_;
    return;
  }
  auto roles = std::make_shared<std::vector<RoleConf>>();
  if (scope) {
    scope->each_child([&](const ScopePtr& child) {
      RoleConf role{child->instance(), child->origin(), {}};
      if (const Setting* allow = child->find(definition(key::allow)))
        for (const std::string& text : std::get<Strings>(allow->value))
          if (auto pattern = Pattern::compile(text)) role.allow.push_back(std::move(*pattern));  // checks.cc has tried
      roles->push_back(std::move(role));
    });
  }
  roles_ = std::move(roles);
}

void CompiledSnapshot::compile_pathways(const CompiledSnapshot* previous) {
  const auto children = [&](const CompiledSnapshot* of, ScopeKind kind) -> const ChildMap& {
    return of->root_->children(kind);
  };
  const auto untouched = [&](ScopeKind kind) { return very_same(children(previous, kind), children(this, kind)); };
  if (previous && untouched(ScopeKind::pathway) && untouched(ScopeKind::pathway_group)) {
    said_pathways_ = previous->said_pathways_;
    pathways_ = previous->pathways_;
    return;
  }
  size_t budget = compare_budget;
  const auto same = [&](ScopeKind kind) {
    return same_children(children(previous, kind), children(this, kind), budget);
  };
  said_pathways_ = std::make_shared<const Pathways>(*root_);
  const bool as_before = previous && same(ScopeKind::pathway) && same(ScopeKind::pathway_group);
  pathways_ = as_before ? previous->pathways_ : said_pathways_;
}

const ListenerPart* CompiledSnapshot::listener(ScopeKind kind) const {
  const auto found = listeners_.find(kind);
  return found == listeners_.end() ? nullptr : &found->second;
}

// What did not change is not looked at: of a thousand Listens most edits touch none.
void CompiledSnapshot::compile_listeners(const CompiledSnapshot* previous) {
  auto listens = std::make_shared<Listens>();
  if (previous) listens->reserve(previous->listens_->size());
  bool same = previous != nullptr;
  for (const ScopeKind kind : listener_kinds()) {  // in the order of listens()
    const bool same_listener = compile_base(kind, previous);
    same = compile_listens(kind, same_listener, previous, *listens) && same;
  }
  listens_ = same ? previous->listens_ : std::move(listens);
}

// Whether all that its Listens fall back on is as it was.
bool CompiledSnapshot::compile_base(ScopeKind kind, const CompiledSnapshot* previous) {
  const ListenerPart* old = previous ? previous->listener(kind) : nullptr;
  const ScopePtr scope = root_->child(kind, "");
  if (!scope) return !old;

  ListenerPart part;
  part.scope = scope;
  const SettingsPtr settings = shared_settings(scope->settings(), old ? old->base->settings : nullptr);
  bool same = same_base_ && old && settings == old->base->settings && pathways_ == old->base->pathways;
  const ChildMap& peers = scope->children(ScopeKind::peer);
  size_t budget = compare_budget;
  if (old && same_children(old->scope->children(ScopeKind::peer), peers, budget)) {
    part.peers = old->peers;
  } else {
    part.peers = old ? PeerTrie::updated(old->peers, old->scope->children(ScopeKind::peer), peers) : PeerTrie(peers);
    same = false;
  }
  part.base = same ? old->base : std::make_shared<const ListenerBase>(kind, global_, pathways_, settings, part.peers);
  listeners_.emplace(kind, std::move(part));
  return same;
}

// Appends the Listens of a listener; whether all are those of before. Those
// that differ are merged into the others, which stand in order.
bool CompiledSnapshot::compile_listens(ScopeKind kind, bool same_listener, const CompiledSnapshot* previous,
                                       Listens& listens) const {
  const ListenerPart* part = listener(kind);
  const ListenerPart* before = previous ? previous->listener(kind) : nullptr;
  const ListenRange old = previous ? of_listener(*previous->listens_, kind) : ListenRange{};
  struct Changed {
    Endpoint endpoint;
    ScopePtr scope;  // null: gone
  };
  std::vector<Changed> changed;
  const ChildMap none;
  ChildMap::difference(before ? before->scope->children(ScopeKind::listen) : none,
                       part ? part->scope->children(ScopeKind::listen) : none,
                       [&](const ScopePtr& was, const ScopePtr& is) {
                         const std::string& instance = (is ? is : was)->instance();
                         changed.push_back({Endpoint::parse(instance, true).value_or(Endpoint{}), is});
                         return true;
                       });
  std::ranges::sort(changed, {}, &Changed::endpoint);

  bool same = same_listener;
  auto kept = old.begin();
  const auto keep_until = [&](auto end) {
    for (; kept != end; ++kept)
      listens.push_back(same_listener ? *kept
                                      : compile_listen(*part, false, (*kept)->endpoint(), nullptr, compiled(*kept)));
  };
  for (const Changed& change : changed) {
    keep_until(std::ranges::lower_bound(kept, old.end(), change.endpoint, {},
                                        [](const auto& conf) -> const Endpoint& { return conf->endpoint(); }));
    const auto* was = kept != old.end() && (*kept)->endpoint() == change.endpoint ? compiled(*kept) : nullptr;
    if (change.scope) {
      auto is = compile_listen(*part, same_listener, change.endpoint, change.scope, was);
      const bool as_before = was && was->core() == is->core() && was->enabled() == is->enabled() &&
                             same_origin(was->origin(), is->origin());
      same = same && as_before;
      listens.push_back(as_before ? *kept : std::move(is));
    } else {
      same = false;
    }
    if (was) ++kept;
  }
  keep_until(old.end());
  return same;
}

// `scope` null: that of `old`, in a listener that changed.
std::shared_ptr<const CompiledListen> CompiledSnapshot::compile_listen(const ListenerPart& part, bool same_listener,
                                                                       const Endpoint& endpoint, const ScopePtr& scope,
                                                                       const CompiledListen* old) {
  const ScopeKind kind = part.base->listener;
  if (!scope) {
    const ListenCore& core = *old->core();
    return std::make_shared<const CompiledListen>(
        kind, endpoint, old->origin(), std::make_shared<const ListenCore>(part.base, core.scope(), core.peers()));
  }
  size_t budget = compare_budget;
  std::shared_ptr<const ListenCore> core;
  if (old && same_listener && same_scope(*old->core()->scope(), *scope, budget)) {
    core = old->core();
  } else {
    const ChildMap& peers = scope->children(ScopeKind::peer);
    PeerTrie trie =
        old ? PeerTrie::updated(old->core()->peers(), old->core()->scope()->children(ScopeKind::peer), peers)
            : PeerTrie(peers);
    core = std::make_shared<const ListenCore>(part.base, scope, std::move(trie));
  }
  return std::make_shared<const CompiledListen>(kind, endpoint, scope->origin(), std::move(core));
}

const CompiledListen* CompiledSnapshot::listen_at(ScopeKind listener, const Endpoint& endpoint) const {
  const ListenRange range = of_listener(*listens_, listener);
  const auto at = std::ranges::lower_bound(range, endpoint, {},
                                           [](const auto& conf) -> const Endpoint& { return conf->endpoint(); });
  return at != range.end() && (*at)->endpoint() == endpoint ? compiled(*at) : nullptr;
}

const ListenConf* CompiledSnapshot::find_listen(ScopeKind listener, const Endpoint& endpoint) const {
  return listen_at(listener, endpoint);
}

const Options& CompiledSnapshot::for_delivery(std::string_view binding, std::string_view domain) const {
  return delivery_->options(binding, domain);
}

const Options& CompiledSnapshot::for_delivery(const ScopePath& scope) const { return delivery_->options(scope); }

const Options& CompiledSnapshot::for_domain(std::string_view domain) const {
  return delivery_->options(global()[key::default_binding], domain);
}

void CompiledSnapshot::each_delivery_scope(const VisitDelivery& visit) const {
  delivery_->each([&](const ScopePath& path, const ScopePtr& scope) { visit(*scope, delivery_->options(path)); });
}

const GroupedScopes& CompiledSnapshot::binding_scopes() const { return delivery_->bindings(); }

std::vector<std::string> CompiledSnapshot::bindings() const { return delivery_->bindings().names(); }

const Options* CompiledSnapshot::certificate(std::string_view name) const {
  const auto found = certificates_->find(name);
  return found == certificates_->end() ? nullptr : &found->second->options;
}

std::vector<std::string> CompiledSnapshot::certificates() const {
  std::vector<std::string> names;
  for (const auto& [name, block] : *certificates_) names.push_back(name);
  return names;
}

const Options* CompiledSnapshot::event_loop(std::string_view name) const {
  const auto found = event_loops_->find(name);
  if (found != event_loops_->end()) return &found->second->options;
  return name == "default" ? &global_block_->options : nullptr;
}

std::vector<std::string> CompiledSnapshot::event_loops() const {
  std::vector<std::string> names;
  for (const auto& [name, block] : *event_loops_) names.push_back(name);
  if (const auto at = std::ranges::lower_bound(names, "default"); at == names.end() || *at != "default")
    names.insert(at, "default");
  return names;
}

std::optional<Value> CompiledSnapshot::pending(const OptionDef& option) const {
  if (option.effect != Effect::restart) return std::nullopt;
  const Setting* running = find_setting(*global_, option);
  ScopePtr scope = root_;
  if (option.scopes & in(ScopeKind::security)) {
    running = security_->scope ? security_->scope->find(option) : nullptr;
    scope = root_->child(ScopeKind::security, "");
  }
  const Setting* said = scope ? scope->find(option) : nullptr;
  const Value& fallback = default_value(option, ScopeKind::global);
  const Value& now = running ? running->value : fallback;
  const Value& then = said ? said->value : fallback;
  if (now == then) return std::nullopt;
  return then;
}

SnapshotPtr compile(ScopePtr root, uint64_t generation, Diagnostics& diagnostics, const SnapshotPtr& previous) {
  const auto* before = dynamic_cast<const CompiledSnapshot*>(previous.get());
  auto snapshot = std::make_shared<const CompiledSnapshot>(std::move(root), generation, before);
  Diagnostics found;
  cross_check(*snapshot, before, found);
  const bool bad = has_errors(found);
  std::ranges::move(found, std::back_inserter(diagnostics));
  return bad ? nullptr : snapshot;
}

}  // namespace impulse::config
