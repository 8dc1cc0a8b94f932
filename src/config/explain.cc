// The ladder: every place an option's value can come from, as seen from a
// scope, most specific first (DESIGN §3 "Fallback").
#include "base/text.h"
#include "config/compiler.h"
#include "config/keys.h"

namespace impulse::config {

struct CompiledSnapshot::Step {
  std::string title;
  const Setting* setting = nullptr;
};

std::vector<CompiledSnapshot::Step> CompiledSnapshot::ladder(const ScopePath& path, const OptionDef& option) const {
  std::vector<Step> steps;
  const auto may_stand = [&](ScopeKind kind) { return (option.scopes & in(kind)) != 0; };
  const auto add = [&](std::string title, const ScopePtr& scope) {
    steps.push_back({std::move(title), scope ? scope->find(option) : nullptr});
  };
  // Peers of `scope` that hold all of `network`, longest first; the asked one
  // is shown even where there is no such scope.
  const auto add_peers = [&](const std::string& prefix, const ScopePtr& scope, const PeerTrie& trie,
                             const IpPrefix& network, bool asked) {
    if (!may_stand(ScopeKind::peer)) return;
    const auto holding = trie.holding(network);
    if (asked && (holding.empty() || holding.back()->instance() != network.to_string()))
      add(prefix + " Peer " + network.to_string(), nullptr);
    for (auto at = holding.rbegin(); at != holding.rend(); ++at)  // the trie's may be older copies of the same
      add(prefix + " Peer " + (*at)->instance(), scope->child(ScopeKind::peer, (*at)->instance()));
  };

  ScopeKind top = path.empty() ? ScopeKind::global : path.front().kind;
  if (top == ScopeKind::esmtp_listener || top == ScopeKind::control_listener) {
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
      if (may_stand(ScopeKind::listen)) add(title, listen);
    }
    if (network) add_peers(name, part.scope, part.peers, *network, !with_listen);
    if (may_stand(top)) add(name, part.scope);
  } else if (!path.empty() && may_stand(top)) {
    const std::string& instance = path.front().instance;
    add(std::string(scope_def(top).name) + (instance.empty() ? "" : " " + instance), root_->child(top, instance));
  }
  if (may_stand(ScopeKind::global)) add("global", root_);
  if (const OptionDef* other = Compiler::synonym(top, option))
    steps.push_back({"global " + std::string(other->name), root_->find(*other)});
  return steps;
}

std::vector<Rung> CompiledSnapshot::explain(const ScopePath& path, const OptionDef& option) const {
  std::vector<Rung> rungs;
  const ScopeKind listener = path.empty() ? ScopeKind::global : path.front().kind;
  if (pending(option)) {
    Rung running{"running until restart", true, to_text(eval(path, option), option), {}, true};
    for (const auto& setting : *global_)
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
  if (option.effect == Effect::restart) return global().raw(option);  // as it runs
  for (const Step& step : ladder(path, option))
    if (step.setting) return step.setting->value;
  return default_value(option, path.empty() ? ScopeKind::global : path.front().kind);
}

}  // namespace impulse::config
