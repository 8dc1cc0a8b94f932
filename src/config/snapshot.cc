// Compiling a tree into a snapshot, taking over from the previous one what did
// not change, so that a single edit costs what it changes.
#include "config/snapshot.h"

#include "config/compiler.h"
#include "config/delivery_scopes.h"
#include "config/keys.h"

#include <algorithm>

namespace impulse::config {
namespace {

constexpr ScopeKind listener_kinds[] = {ScopeKind::esmtp_listener, ScopeKind::control_listener};

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

const std::vector<std::shared_ptr<const ListenConf>>::const_iterator find_in(
    const std::vector<std::shared_ptr<const ListenConf>>& listens, ScopeKind listener, const Endpoint& endpoint) {
  const auto key = [](const auto& conf) {
    return std::pair<ScopeKind, const Endpoint&>(conf->listener(), conf->endpoint());
  };
  const auto at = std::ranges::lower_bound(listens, std::pair<ScopeKind, const Endpoint&>(listener, endpoint), {}, key);
  return at != listens.end() && (*at)->listener() == listener && (*at)->endpoint() == endpoint ? at : listens.end();
}

}  // namespace

CompiledSnapshot::CompiledSnapshot(ScopePtr root, uint64_t generation, const CompiledSnapshot* previous)
    : root_(std::move(root)), generation_(generation) {
  compile_global(previous);
  compile_security(previous);
  compile_roles(previous);
  compile_pathways(previous);
  for (const ScopeKind kind : listener_kinds) compile_listener(kind, previous);
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

  const auto reuse_or_make = [&](Blocks& blocks, const Blocks* old, const ScopePtr& scope) {
    const auto was = old ? old->find(scope->instance()) : Blocks::const_iterator{};
    const bool same = old && was != old->end() && was->second->global == global_ && was->second->scope &&
                      same_values(was->second->scope->settings(), scope->settings());
    blocks.emplace(scope->instance(), same ? was->second : block(scope));
  };
  root_->children(ScopeKind::certificate).each([&](const ChildMap::Entry& entry) {
    reuse_or_make(certificates_, previous ? &previous->certificates_ : nullptr, entry.scope);
  });
  root_->children(ScopeKind::event_loop).each([&](const ChildMap::Entry& entry) {
    reuse_or_make(event_loops_, previous ? &previous->event_loops_ : nullptr, entry.scope);
  });
  event_loops_.try_emplace("default", global_block_);
  const ScopePtr flags = root_->child(ScopeKind::debug_flags, "");
  debug_flags_ = flags ? block(flags) : global_block_;

  const DeliveryScopes* delivery = previous ? previous->delivery_.get() : nullptr;
  delivery_ = delivery && delivery->same(*root_, global_block_)
                  ? previous->delivery_
                  : std::make_shared<const DeliveryScopes>(*root_, global_block_, delivery);
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
  size_t budget = compare_budget;
  const auto same = [&](ScopeKind kind) {
    return same_children(previous->root_->children(kind), root_->children(kind), budget);
  };
  said_pathways_ = std::make_shared<const Pathways>(*root_);
  const bool as_before = previous && same(ScopeKind::pathway) && same(ScopeKind::pathway_group);
  pathways_ = as_before ? previous->pathways_ : said_pathways_;
}

void CompiledSnapshot::compile_listener(ScopeKind kind, const CompiledSnapshot* previous) {
  const ScopePtr scope = root_->child(kind, "");
  if (!scope) return;
  const auto found = previous ? previous->listeners_.find(kind) : listeners_.end();
  const ListenerPart* old = previous && found != previous->listeners_.end() ? &found->second : nullptr;

  ListenerPart part;
  part.scope = scope;
  part.settings = shared_settings(scope->settings(), old ? old->settings : nullptr);
  bool same = same_base_ && old && part.settings == old->settings && pathways_ == previous->pathways_;
  const ChildMap& peers = scope->children(ScopeKind::peer);
  size_t budget = compare_budget;
  if (old && same_children(old->scope->children(ScopeKind::peer), peers, budget)) {
    part.peers = old->peers;
  } else {
    part.peers = old ? PeerTrie::updated(old->peers, old->scope->children(ScopeKind::peer), peers) : PeerTrie(peers);
    same = false;
  }

  Options values;
  Compiler::start(values, kind, *global_);
  Compiler::lay(values, kind, *part.settings, *pathways_);
  const bool enabled = values[key::enable];
  std::vector<std::shared_ptr<const ListenConf>> listens;
  scope->children(ScopeKind::listen).each([&](const ChildMap::Entry& entry) {
    listens.push_back(compile_listen(kind, part, same, enabled, entry.scope, previous));
  });
  std::ranges::sort(listens, {}, [](const auto& conf) -> const Endpoint& { return conf->endpoint(); });
  std::ranges::move(listens, std::back_inserter(listens_));  // kinds come in their order
  listeners_.emplace(kind, std::move(part));
}

std::shared_ptr<const CompiledListen> CompiledSnapshot::compile_listen(ScopeKind kind, const ListenerPart& part,
                                                                       bool part_same, bool listener_enabled,
                                                                       const ScopePtr& scope,
                                                                       const CompiledSnapshot* previous) const {
  // The instance is canonical, so it parses.
  const Endpoint endpoint = Endpoint::parse(scope->instance(), true).value_or(Endpoint{});
  std::shared_ptr<const CompiledListen> old;
  if (previous) {
    const auto at = find_in(previous->listens_, kind, endpoint);
    if (at != previous->listens_.end()) old = std::static_pointer_cast<const CompiledListen>(*at);
  }
  size_t budget = compare_budget;
  std::shared_ptr<const ListenCore> core;
  if (old && part_same && same_scope(*old->core()->scope(), *scope, budget)) {
    core = old->core();
  } else {
    const ChildMap& peers = scope->children(ScopeKind::peer);
    PeerTrie trie =
        old ? PeerTrie::updated(old->core()->peers(), old->core()->scope()->children(ScopeKind::peer), peers)
            : PeerTrie(peers);
    core = std::make_shared<const ListenCore>(kind, global_, pathways_, part, scope, std::move(trie));
  }
  auto next = std::make_shared<const CompiledListen>(kind, endpoint, scope->origin(), listener_enabled, core);
  const bool same =
      old && old->core() == core && old->enabled() == next->enabled() && same_origin(old->origin(), next->origin());
  return same ? old : next;
}

const CompiledListen* CompiledSnapshot::listen_at(ScopeKind listener, const Endpoint& endpoint) const {
  const auto at = find_in(listens_, listener, endpoint);
  return at == listens_.end() ? nullptr : static_cast<const CompiledListen*>(at->get());
}

const ListenConf* CompiledSnapshot::find_listen(ScopeKind listener, const Endpoint& endpoint) const {
  return listen_at(listener, endpoint);
}

const Options& CompiledSnapshot::for_delivery(std::string_view binding, std::string_view domain) const {
  return delivery_->options(binding, domain);
}

const Options& CompiledSnapshot::for_domain(std::string_view domain) const {
  return delivery_->options(global()[key::default_binding], domain);
}

void CompiledSnapshot::each_delivery_scope(const VisitDelivery& visit) const {
  delivery_->each([&](const ScopePath& path, const ScopePtr& scope) { visit(*scope, delivery_->options(path)); });
}

std::vector<std::string> CompiledSnapshot::bindings() const { return delivery_->bindings().names(); }

const Options* CompiledSnapshot::certificate(std::string_view name) const {
  const auto found = certificates_.find(name);
  return found == certificates_.end() ? nullptr : &found->second->options;
}

std::vector<std::string> CompiledSnapshot::certificates() const {
  std::vector<std::string> names;
  for (const auto& [name, block] : certificates_) names.push_back(name);
  return names;
}

const Options* CompiledSnapshot::event_loop(std::string_view name) const {
  const auto found = event_loops_.find(name);
  return found == event_loops_.end() ? nullptr : &found->second->options;
}

std::vector<std::string> CompiledSnapshot::event_loops() const {
  std::vector<std::string> names;
  for (const auto& [name, block] : event_loops_) names.push_back(name);
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
