// Scopes and path copying.
#include "config/tree.h"

#include "config/children.h"

#include <algorithm>

namespace impulse::config {
namespace {

using SettingPtr = std::shared_ptr<const Setting>;

auto position(auto& settings, const OptionDef& option) {
  return std::ranges::lower_bound(settings, option.index, {}, [](const SettingPtr& s) { return s->option->index; });
}

}  // namespace

Scope::Scope(const ScopeDef& def, std::string instance, Origin origin)
    : def_(&def), instance_(std::move(instance)), origin_(std::move(origin)) {}

std::string Scope::title() const {
  std::string title(def_->name);
  if (!instance_.empty()) title += " \"" + instance_ + "\"";
  return title;
}

const Setting* Scope::find(const OptionDef& option) const {
  const auto at = position(settings_, option);
  return at != settings_.end() && (*at)->option == &option ? at->get() : nullptr;
}

const ChildMap& Scope::children(ScopeKind kind) const {
  static const ChildMap none;
  if (!children_) return none;
  for (const auto& [of, map] : children_->kinds)
    if (of == kind) return map;
  return none;
}

ScopePtr Scope::child(ScopeKind kind, std::string_view canonical_instance) const {
  const ChildMap::Entry* entry = children(kind).find(canonical_instance);
  return entry ? entry->scope : nullptr;
}

void Scope::each_child(const std::function<void(const ScopePtr&)>& visit) const {
  if (!children_) return;
  std::vector<const ChildMap::Entry*> entries;
  entries.reserve(children_->count);
  for (const auto& [kind, map] : children_->kinds)
    map.each([&](const ChildMap::Entry& entry) { entries.push_back(&entry); });
  std::ranges::sort(entries, {}, [](const ChildMap::Entry* e) { return e->sequence; });
  for (const ChildMap::Entry* entry : entries) visit(entry->scope);
}

size_t Scope::child_count() const { return children_ ? children_->count : 0; }

ScopePtr Scope::with_setting(std::shared_ptr<const Setting> setting) const {
  auto copy = std::make_shared<Scope>(*this);
  const auto at = position(copy->settings_, *setting->option);
  if (at != copy->settings_.end() && (*at)->option == setting->option)
    *at = std::move(setting);
  else
    copy->settings_.insert(at, std::move(setting));
  return copy;
}

ScopePtr Scope::without_setting(const OptionDef& option) const {
  auto copy = std::make_shared<Scope>(*this);
  std::erase_if(copy->settings_, [&](const SettingPtr& s) { return s->option == &option; });
  return copy;
}

ScopePtr Scope::with_child(ScopePtr child) const {
  auto copy = std::make_shared<Scope>(*this);
  auto children = children_ ? std::make_shared<Children>(*children_) : std::make_shared<Children>();
  const ScopeKind kind = child->def().kind;
  auto at = std::ranges::find(children->kinds, kind, [](const auto& pair) { return pair.first; });
  if (at == children->kinds.end()) at = children->kinds.insert(at, {kind, ChildMap{}});
  const ChildMap::Entry* old = at->second.find(child->instance());
  const uint32_t sequence = old ? old->sequence : children->next++;
  if (!old) ++children->count;
  at->second = at->second.with({std::move(child), sequence});
  copy->children_ = std::move(children);
  return copy;
}

ScopePtr Scope::without_child(ScopeKind kind, std::string_view canonical_instance) const {
  auto copy = std::make_shared<Scope>(*this);
  if (!child(kind, canonical_instance)) return copy;
  auto children = std::make_shared<Children>(*children_);
  for (auto& [of, map] : children->kinds)
    if (of == kind) map = map.without(canonical_instance);
  std::erase_if(children->kinds, [](const auto& pair) { return pair.second.empty(); });
  copy->children_ = --children->count == 0 ? nullptr : std::move(children);
  return copy;
}

}  // namespace impulse::config
