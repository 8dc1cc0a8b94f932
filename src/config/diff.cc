// The difference of two trees, option by option; costs what differs.
#include "base/text.h"
#include "config/checks.h"
#include "config/children.h"
#include "config/engine.h"

#include <algorithm>

namespace impulse::config {
namespace {

// When the coming or going of a whole scope applies.
Effect scope_effect(ScopeKind kind) {
  switch (kind) {
    case ScopeKind::esmtp_listener:
    case ScopeKind::lmtp_listener:
    case ScopeKind::http_listener:
    case ScopeKind::ecstream_listener:
    case ScopeKind::control_listener:
    case ScopeKind::listen:
    case ScopeKind::event_loop:
      return Effect::relisten;
    case ScopeKind::peer:
    case ScopeKind::pathway_group:
    case ScopeKind::pathway:
    case ScopeKind::certificate:
      return Effect::next_session;
    case ScopeKind::security:
      return Effect::restart;
    case ScopeKind::global:
    case ScopeKind::thread_pool:
    case ScopeKind::debug_flags:
    case ScopeKind::binding_group:
    case ScopeKind::binding:
    case ScopeKind::domain:
    case ScopeKind::authorization:
    case ScopeKind::role:
      break;
  }
  return Effect::live;
}

// The one order that means something: the Domain patterns that stand in both,
// as they were declared in the first.
std::vector<std::string_view> patterns(const ChildMap& domains, const ChildMap& others) {
  std::vector<std::pair<uint32_t, std::string_view>> ordered;
  domains.each([&](const ChildMap::Entry& entry) {
    const std::string& instance = entry.scope->instance();
    if (is_domain_pattern(instance) && others.find(instance)) ordered.emplace_back(entry.sequence, instance);
  });
  std::ranges::sort(ordered);
  std::vector<std::string_view> names;
  names.reserve(ordered.size());
  for (const auto& [sequence, name] : ordered) names.push_back(name);
  return names;
}

class Differ {
 public:
  std::vector<Change> run(const ScopePtr& before, const ScopePtr& after) {
    compare(*before, *after);
    return std::move(changes_);
  }

 private:
  void compare(const Scope& before, const Scope& after) {
    compare_settings(before, after);
    compare_order(before.children(ScopeKind::domain), after.children(ScopeKind::domain));
    for (const ScopeDef& kind : scopes()) {
      ChildMap::difference(before.children(kind.kind), after.children(kind.kind),
                           [&](const ScopePtr& was, const ScopePtr& is) {
                             path_.push_back({kind.kind, (is ? is : was)->instance()});
                             if (was && is)
                               compare(*was, *is);
                             else
                               changes_.push_back({is ? Change::Kind::added : Change::Kind::removed,
                                                   path_,
                                                   nullptr,
                                                   {},
                                                   {},
                                                   scope_effect(kind.kind),
                                                   is ? is : was});
                             path_.pop_back();
                             return true;
                           });
    }
  }

  // All are looked at only when the place of one has changed: there may be many.
  void compare_order(const ChildMap& before, const ChildMap& after) {
    const bool as_before = ChildMap::difference(before, after, [&](const ScopePtr& was, const ScopePtr& is) {
      return !was || !is || !is_domain_pattern(is->instance()) ||
             before.find(is->instance())->sequence == after.find(is->instance())->sequence;
    });
    if (!as_before && patterns(before, after) != patterns(after, before))
      add(Change::Kind::changed, nullptr, {}, {}, Effect::live);
  }

  // Both are sorted by option.
  void compare_settings(const Scope& before, const Scope& after) {
    auto was = before.settings().begin();
    auto is = after.settings().begin();
    while (was != before.settings().end() || is != after.settings().end()) {
      const bool old = was != before.settings().end() &&
                       (is == after.settings().end() || (*was)->option->index <= (*is)->option->index);
      const bool now = is != after.settings().end() &&
                       (was == before.settings().end() || (*is)->option->index <= (*was)->option->index);
      if (old && now)
        changed(**was, **is);
      else if (old)
        add(Change::Kind::removed, (*was)->option, text(**was), {}, (*was)->option->effect);
      else
        add(Change::Kind::added, (*is)->option, {}, text(**is), (*is)->option->effect);
      if (old) ++was;
      if (now) ++is;
    }
  }

  void changed(const Setting& was, const Setting& is) {
    if (&was != &is && was.value != is.value)
      add(Change::Kind::changed, is.option, text(was), text(is), is.option->effect);
  }

  static std::string text(const Setting& setting) { return to_text(setting.value, *setting.option); }

  void add(Change::Kind kind, const OptionDef* option, std::string before, std::string after, Effect effect) {
    changes_.push_back({kind, path_, option, std::move(before), std::move(after), effect, nullptr});
  }

  ScopePath path_;
  std::vector<Change> changes_;
};

}  // namespace

std::vector<Change> diff(const ScopePtr& before, const ScopePtr& after) { return Differ().run(before, after); }

std::string Change::to_string() const {
  std::string text = path.empty() ? "global" : config::to_string(path);
  if (!option) {
    text += kind == Kind::removed ? ": removed"
            : kind == Kind::added ? ": added"
                                  : ": Domain patterns in another order";
  } else {
    text += fmt::format(": {} {} -> {}", option->name, kind == Kind::added ? "(unset)" : before,
                        kind == Kind::removed ? "(unset)" : after);
  }
  return text + fmt::format(" ({})", config::to_string(effect));
}

}  // namespace impulse::config
