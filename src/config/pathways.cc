// Which Pathway extends a scope.
#include "config/pathways.h"

#include "config/keys.h"

#include <algorithm>

namespace impulse::config {

std::string_view Pathways::named_by(ScopeKind kind, const std::vector<std::shared_ptr<const Setting>>& settings) {
  const OptionDef& option = definition(key::pathway);
  const auto index = [](const auto& setting) { return setting->option->index; };
  const auto at = std::ranges::lower_bound(settings, option.index, {}, index);
  if (at != settings.end() && (*at)->option == &option) return std::get<std::string>((*at)->value);
  // Its default speaks for listeners, once, and not for each scope in them.
  const bool inside = kind == ScopeKind::listen || kind == ScopeKind::peer;
  return !inside && option.scopes & in(kind) ? option.default_text : std::string_view{};
}

const GroupedScopes::Member* Pathways::extending(ScopeKind kind,
                                                 const std::vector<std::shared_ptr<const Setting>>& settings) const {
  if (scopes_.members().empty()) return nullptr;
  const std::string_view name = named_by(kind, settings);
  return name.empty() ? nullptr : scopes_.find(name);
}

}  // namespace impulse::config
