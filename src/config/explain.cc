// The ladder: every place an option's value can come from, as seen from a
// scope, most specific first (DESIGN §3 "Fallback").
#include "base/text.h"
#include "config/compiler.h"
#include "config/delivery_scopes.h"
#include "config/keys.h"

namespace impulse::config {

struct CompiledSnapshot::Step {
  std::string title;
  const Setting* setting = nullptr;
};

namespace {

bool may_stand(const OptionDef& option, ScopeKind kind) { return (option.scopes & in(kind)) != 0; }

bool is_listener(ScopeKind kind) { return (scope_def(ScopeKind::listen).parents & in(kind)) != 0; }

std::string quoted(const Scope& scope) { return fmt::format("{} \"{}\"", scope.def().name, scope.instance()); }

const Setting* setting_in(const Scope* scope, const OptionDef& option) { return scope ? scope->find(option) : nullptr; }

// The rungs of a Pathway: in its group, alone, the group.
struct PathwayRung {
  std::string title;
  const Scope* scope;
};
std::vector<PathwayRung> rungs_of(const GroupedScopes::Member& pathway) {
  std::vector<PathwayRung> rungs;
  const Scope* group = pathway.group.get();
  if (pathway.in_group) rungs.push_back({quoted(*group) + " " + quoted(*pathway.in_group), pathway.in_group.get()});
  if (pathway.alone) rungs.push_back({quoted(*pathway.alone), pathway.alone.get()});
  if (group) rungs.push_back({quoted(*group), group});
  return rungs;
}

}  // namespace

// A scope's own rung, and those of the Pathway that it names.
void CompiledSnapshot::add_extended(std::vector<Step>& steps, std::string title, ScopeKind kind, const ScopePtr& scope,
                                    const Pathways& pathways, const OptionDef& option) const {
  if (may_stand(option, kind)) steps.push_back({std::move(title), setting_in(scope.get(), option)});
  if (!scope || !may_stand(option, ScopeKind::pathway)) return;
  const GroupedScopes::Member* pathway = pathways.extending(kind, scope->settings());
  if (!pathway) return;
  for (PathwayRung& rung : rungs_of(*pathway)) steps.push_back({std::move(rung.title), rung.scope->find(option)});
}

std::vector<CompiledSnapshot::Step> CompiledSnapshot::listener_ladder(const ScopePath& path,
                                                                      const OptionDef& option) const {
  std::vector<Step> steps;
  const ScopeKind top = path.front().kind;
  const Pathways& pathways = *said_pathways_;
  // Peers of `scope` that hold all of `network`, longest first; the asked one
  // is shown even where there is no such scope.
  const auto add_peers = [&](const std::string& prefix, const ScopePtr& scope, const PeerTrie& trie,
                             const IpPrefix& network, bool asked) {
    const bool shown = may_stand(option, ScopeKind::peer);
    const auto holding = trie.holding(network);
    if (shown && asked && (holding.empty() || holding.back()->instance() != network.to_string()))
      steps.push_back({prefix + " Peer " + network.to_string(), nullptr});
    for (auto at = holding.rbegin(); at != holding.rend(); ++at)  // the trie's may be older copies of the same
      add_extended(steps, prefix + " Peer " + (*at)->instance(), ScopeKind::peer,
                   scope->child(ScopeKind::peer, (*at)->instance()), pathways, option);
  };

  const std::string name(scope_def(top).name);
  const auto found = listeners_.find(top);
  const ListenerPart none{};
  const ListenerPart& part = found == listeners_.end() ? none : found->second;
  const bool with_listen = path.size() > 1 && path[1].kind == ScopeKind::listen;
  const PathStep* last = path.size() > 1 && path.back().kind == ScopeKind::peer ? &path.back() : nullptr;
  const auto network = last ? IpPrefix::parse(last->instance) : fail(Errc::not_found, "no Peer");
  if (with_listen) {
    const std::string title = name + " Listen " + path[1].instance;
    const auto endpoint = Endpoint::parse(path[1].instance, true);
    const CompiledListen* conf = endpoint ? listen_at(top, *endpoint) : nullptr;
    const ScopePtr listen = part.scope ? part.scope->child(ScopeKind::listen, path[1].instance) : nullptr;
    if (network) add_peers(title, listen, conf ? conf->core()->peers() : PeerTrie{}, *network, true);
    add_extended(steps, title, ScopeKind::listen, listen, pathways, option);
  }
  if (network) add_peers(name, part.scope, part.peers, *network, !with_listen);
  add_extended(steps, name, top, part.scope, pathways, option);
  return steps;
}

std::vector<CompiledSnapshot::Step> CompiledSnapshot::ladder(const ScopePath& path, const OptionDef& option) const {
  std::vector<Step> steps;
  const ScopeKind top = path.empty() ? ScopeKind::global : path.front().kind;
  if (is_listener(top)) {
    steps = listener_ladder(path, option);
  } else if (top == ScopeKind::pathway || top == ScopeKind::pathway_group) {
    GroupedScopes::Member member;
    const PathStep& last = path.back();
    if (last.kind == ScopeKind::pathway)
      if (const GroupedScopes::Member* known = said_pathways_->scopes().find(last.instance)) member = *known;
    if (top == ScopeKind::pathway_group) {
      member.group = root_->child(top, path.front().instance);
      member.in_group = path.size() > 1 && member.group ? member.group->child(last.kind, last.instance) : nullptr;
    }
    if (may_stand(option, top))
      for (PathwayRung& rung : rungs_of(member)) steps.push_back({std::move(rung.title), rung.scope->find(option)});
  } else if (top == ScopeKind::binding_group || top == ScopeKind::binding || top == ScopeKind::domain) {
    for (DeliveryScopes::Step& step : delivery_->ladder(path))
      if (may_stand(option, step.kind)) steps.push_back({std::move(step.title), setting_in(step.scope, option)});
  } else if (!path.empty() && may_stand(option, path.back().kind)) {
    const std::string& instance = path.back().instance;
    steps.push_back({std::string(scope_def(path.back().kind).name) + (instance.empty() ? "" : " " + instance),
                     setting_in(find_scope(root_, path).get(), option)});
  }
  if (may_stand(option, ScopeKind::global)) steps.push_back({"global", root_->find(option)});
  if (const OptionDef* other = Compiler::synonym(top, option))
    steps.push_back({"global " + std::string(other->name), root_->find(*other)});
  return steps;
}

std::vector<Rung> CompiledSnapshot::explain(const ScopePath& path, const OptionDef& option) const {
  std::vector<Rung> rungs;
  const ScopeKind listener = path.empty() ? ScopeKind::global : path.front().kind;
  if (pending(option)) {
    Rung running{"running until restart", true, to_text(eval(path, option), option), {}, true};
    for (const Settings* settings : {global_.get(), security_->scope ? &security_->scope->settings() : nullptr})
      if (settings)
        for (const auto& setting : *settings)
          if (setting->option == &option) running.origin = setting->origin;
    rungs.push_back(std::move(running));
  }
  bool decided = !rungs.empty();
  const auto add = [&](std::string scope, bool set, std::string text, Origin origin) {
    rungs.push_back({std::move(scope), set, std::move(text), std::move(origin), set && !decided});
    decided = decided || set;
  };
  for (Step& step : ladder(path, option)) {
    const Setting* setting = step.setting;
    add(std::move(step.title), setting != nullptr, setting ? to_text(setting->value, *setting->option) : "",
        setting ? setting->origin : Origin{});
  }
  const bool has_default = !option.default_text.empty();
  add("default", has_default, has_default ? to_text(default_value(option, listener), option) : "", {});
  return rungs;
}

Value CompiledSnapshot::eval(const ScopePath& path, const OptionDef& option) const {
  if (option.effect == Effect::restart)  // as it runs
    return (option.scopes & in(ScopeKind::security) ? security() : global()).raw(option);
  for (const Step& step : ladder(path, option))
    if (step.setting) return step.setting->value;
  return default_value(option, path.empty() ? ScopeKind::global : path.front().kind);
}

}  // namespace impulse::config
