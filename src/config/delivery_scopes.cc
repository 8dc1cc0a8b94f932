// Values for mail on its way out: matching, the ladder, blocks.
#include "config/delivery_scopes.h"

#include "base/text.h"
#include "config/checks.h"
#include "config/keys.h"

#include <algorithm>
#include <bitset>
#include <mutex>

namespace impulse::config {
namespace {

// The scopes of a path of [Binding_Group] [Binding] [Domain].
struct Asked {
  const std::string* group = nullptr;
  const std::string* binding = nullptr;
  const std::string* domain = nullptr;

  explicit Asked(const ScopePath& path) {
    for (const PathStep& step : path) {
      if (step.kind == ScopeKind::binding_group) group = &step.instance;
      if (step.kind == ScopeKind::binding) binding = &step.instance;
      if (step.kind == ScopeKind::domain) domain = &step.instance;
    }
  }
};

std::string named(const Scope& scope) { return std::string(scope.def().name) + " " + scope.instance(); }

}  // namespace

DeliveryScopes::DeliveryScopes(const Scope& root, std::shared_ptr<const Block> base, const DeliveryScopes* previous)
    : base_(std::move(base)),
      domains_(root.children(ScopeKind::domain)),
      binding_scopes_(root.children(ScopeKind::binding)),
      groups_(root.children(ScopeKind::binding_group)) {
  const bool same_bindings =
      previous && very_same(previous->binding_scopes_, binding_scopes_) && very_same(previous->groups_, groups_);
  bindings_ = same_bindings ? previous->bindings_
                            : std::make_shared<const GroupedScopes>(root, ScopeKind::binding_group, ScopeKind::binding);
  if (previous) patterns_ = previous->patterns_;
  const ChildMap none;
  const auto global = patterns_.find(nullptr);
  patterns_[nullptr] =
      followed(global == patterns_.end() ? nullptr : global->second, previous ? previous->domains_ : none, domains_);
  follow_containers(previous ? previous->binding_scopes_ : none, binding_scopes_);
  follow_containers(previous ? previous->groups_ : none, groups_);
  compiled_.clear();
}

// The patterns in containers of one kind that differ.
void DeliveryScopes::follow_containers(const ChildMap& before, const ChildMap& after) {
  const auto children = [](const ScopePtr& scope, ScopeKind kind) {
    return scope ? scope->children(kind) : ChildMap();
  };
  ChildMap::difference(before, after, [&](const ScopePtr& was, const ScopePtr& is) {
    PatternsPtr patterns;
    if (const auto found = was ? patterns_.find(was.get()) : patterns_.end(); found != patterns_.end()) {
      patterns = std::move(found->second);
      patterns_.erase(found);
    }
    patterns = followed(std::move(patterns), children(was, ScopeKind::domain), children(is, ScopeKind::domain));
    if (is && patterns) patterns_[is.get()] = std::move(patterns);
    follow_containers(children(was, ScopeKind::binding), children(is, ScopeKind::binding));
    return true;
  });
}

// What a container's patterns have become; null when there are none. Costs
// what differs: there may be many Domains, few of them patterns.
DeliveryScopes::PatternsPtr DeliveryScopes::followed(PatternsPtr old, const ChildMap& before, const ChildMap& after) {
  std::shared_ptr<Patterns> changed;
  ChildMap::difference(before, after, [&](const ScopePtr& was, const ScopePtr& is) {
    const std::string& text = (is ? is : was)->instance();
    if (!is_domain_pattern(text)) return true;
    if (!changed) changed = old ? std::make_shared<Patterns>(*old) : std::make_shared<Patterns>();
    const auto known = was ? std::ranges::find(*changed, was.get(), &Regex::scope) : changed->end();
    if (known != changed->end()) {
      if (is)
        known->scope = is.get();
      else
        changed->erase(known);
    } else if (is) {
      const auto [at, fresh] = compiled_.try_emplace(text);
      if (fresh)
        if (auto pattern = domain_pattern(text)) at->second = std::move(*pattern);
      if (at->second) changed->push_back({*at->second, is.get(), 0});  // it compiled before, when the name was read
    }
    return true;
  });
  if (!changed) return old;
  for (Regex& regex : *changed) regex.sequence = after.find(regex.scope->instance())->sequence;
  std::ranges::sort(*changed, {}, &Regex::sequence);
  if (changed->empty()) return nullptr;
  return changed;
}

bool DeliveryScopes::same(const Scope& root, const std::shared_ptr<const Block>& base) const {
  return base_ == base && very_same(domains_, root.children(ScopeKind::domain)) &&
         very_same(binding_scopes_, root.children(ScopeKind::binding)) &&
         very_same(groups_, root.children(ScopeKind::binding_group));
}

// The Domains of a container that hold a domain; nullptr is the global scope.
void DeliveryScopes::match(const Scope* container, std::string_view domain, Chain& chain) const {
  const ChildMap& domains = container ? container->children(ScopeKind::domain) : domains_;
  if (domains.empty()) return;
  if (const ChildMap::Entry* exact = domains.find(domain)) chain.push_back(exact->scope.get());
  const auto patterns = patterns_.find(container);
  if (patterns == patterns_.end() || !patterns->second || is_domain_pattern(domain)) return;
  for (const Regex& regex : *patterns->second)
    if (regex.pattern.matches(domain)) chain.push_back(regex.scope);
}

const Options& DeliveryScopes::options(std::string_view binding, std::string_view domain) const {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  if (is_domain_pattern(domain)) domain = {};  // no domain has a slash, but a scope's name may
  const std::string name = lower(domain);
  Chain chain;
  if (const GroupedScopes::Member* way = bindings_->find(binding)) {
    for (const Scope* layer : way->layers())
      if (layer) match(layer, name, chain);
    for (const Scope* layer : way->layers())
      if (layer) chain.push_back(layer);
  }
  match(nullptr, name, chain);
  return block(std::move(chain));
}

size_t DeliveryScopes::ChainHash::operator()(const Chain& chain) const {
  size_t hash = chain.size();
  for (const Scope* scope : chain) hash = hash * 0x9e3779b97f4a7c15ULL + reinterpret_cast<uintptr_t>(scope) / 16;
  return hash;
}

const Options& DeliveryScopes::block(Chain chain) const {
  // Who only repeats what stands above has no say. Without this, patterns that
  // overlap would make a block for each of their combinations.
  std::bitset<option_count> said;
  std::erase_if(chain, [&](const Scope* scope) {
    bool has_say = false;
    for (const auto& setting : scope->settings()) {
      has_say = has_say || !said[setting->option->index];
      said.set(setting->option->index);
    }
    return !has_say;
  });
  if (chain.empty()) return base_->options;
  {
    const std::shared_lock lock(mutex_);
    if (const auto found = blocks_.find(chain); found != blocks_.end()) return *found->second;
  }
  const std::unique_lock lock(mutex_);
  std::unique_ptr<const Options>& options = blocks_[chain];
  if (!options) {
    auto made = std::make_unique<Options>();
    Compiler::start(*made, ScopeKind::global, *base_->global);
    for (auto scope = chain.rbegin(); scope != chain.rend(); ++scope) Compiler::lay(*made, (*scope)->settings());
    options = std::move(made);
  }
  return *options;
}

std::vector<DeliveryScopes::Step> DeliveryScopes::ladder(const ScopePath& path) const {
  const Asked asked(path);
  // The containers, most specific first, with their titles; what the path
  // itself names is shown even where it is not.
  struct Container {
    std::string title;
    ScopeKind kind;
    const Scope* scope;
    bool named;  // by the path
  };
  std::vector<Container> containers;
  GroupedScopes::Member way;
  if (asked.binding) {
    const GroupedScopes::Member* member = bindings_->find(*asked.binding);
    if (member) way = *member;
    if (asked.group) way.in_group = nullptr;
  }
  if (asked.group) {
    const ChildMap::Entry* group = groups_.find(*asked.group);
    way.group = group ? group->scope : nullptr;
    if (group && asked.binding) way.in_group = way.group->child(ScopeKind::binding, *asked.binding);
  }
  const std::string group_title = asked.group ? "Binding_Group " + *asked.group
                                  : way.group ? named(*way.group)
                                              : std::string{};
  if (asked.binding) {
    const std::string title = "Binding " + *asked.binding;
    if (asked.group || way.in_group)
      containers.push_back({group_title + " " + title, ScopeKind::binding, way.in_group.get(), asked.group != nullptr});
    if (!asked.group || way.alone)
      containers.push_back({title, ScopeKind::binding, way.alone.get(), !asked.group && !way.in_group});
  }
  if (!group_title.empty())
    containers.push_back({group_title, ScopeKind::binding_group, way.group.get(), asked.group && !asked.binding});
  std::erase_if(containers, [](const Container& container) { return !container.scope && !container.named; });

  std::vector<Step> steps;
  const auto add_domains = [&](std::string prefix, const Scope* container, bool is_asked) {
    if (!prefix.empty()) prefix += ' ';
    Chain chain;
    match(container, *asked.domain, chain);
    if (is_asked && (chain.empty() || chain.front()->instance() != *asked.domain))
      steps.push_back({prefix + "Domain " + *asked.domain, ScopeKind::domain, nullptr});
    for (const Scope* scope : chain) steps.push_back({prefix + named(*scope), ScopeKind::domain, scope});
  };
  if (asked.domain) {
    for (const Container& container : containers) {
      if (container.scope) add_domains(container.title, container.scope, container.named);
      if (!container.scope) steps.push_back({container.title + " Domain " + *asked.domain, ScopeKind::domain, nullptr});
    }
  }
  for (Container& container : containers)
    steps.push_back({std::move(container.title), container.kind, container.scope});
  if (asked.domain) add_domains({}, nullptr, path.size() == 1);
  return steps;
}

const Options& DeliveryScopes::options(const ScopePath& path) const {
  Chain chain;
  for (const Step& step : ladder(path))
    if (step.scope) chain.push_back(step.scope);
  return block(std::move(chain));
}

void DeliveryScopes::each(const std::function<void(const ScopePath&, const ScopePtr&)>& visit) const {
  ScopePath path;
  const std::function<void(const ScopePtr&)> walk = [&](const ScopePtr& scope) {
    path.push_back({scope->def().kind, scope->instance()});
    visit(path, scope);
    for (const ScopeKind kind : {ScopeKind::binding, ScopeKind::domain})
      scope->children(kind).each([&](const ChildMap::Entry& entry) { walk(entry.scope); });
    path.pop_back();
  };
  for (const ChildMap* scopes : {&groups_, &binding_scopes_, &domains_})
    scopes->each([&](const ChildMap::Entry& entry) { walk(entry.scope); });
}

}  // namespace impulse::config
