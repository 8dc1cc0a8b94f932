#include "queue/binding.h"

#include "base/text.h"
#include "config/children.h"
#include "config/grouped_scopes.h"
#include "queue/name.h"

#include <vector>

namespace impulse::queue {

namespace key = config::key;
using config::ScopeKind;

bool is_binding(const config::Snapshot& snapshot, std::string_view name) {
  return name == default_binding || snapshot.binding_scopes().find(name) != nullptr;
}

std::string_view binding_name(const config::Snapshot& snapshot, std::string_view name) {
  if (is_binding(snapshot, name)) return name;
  for (const auto& [each, scopes] : snapshot.binding_scopes().members())
    if (iequals(each, name)) return each;
  return {};
}

std::string_view group_of(const config::Snapshot& snapshot, std::string_view binding) {
  const config::GroupedScopes::Member* found = snapshot.binding_scopes().find(binding_name(snapshot, binding));
  return found == nullptr || !found->group ? default_binding : std::string_view(found->group->instance());
}

bool is_suspended(const config::Snapshot& snapshot, std::string_view binding) {
  return snapshot.for_delivery(binding, "")[key::suspend_delivery];
}

std::string wish_of(const config::Snapshot& snapshot, const message::Envelope& envelope) {
  for (const auto& [name, value] : envelope.context)
    if (name == config::binding_context && !value.empty()) return value;
  const std::string& wish = snapshot.global()[key::default_binding];
  return wish.empty() ? std::string(default_binding) : wish;
}

uint64_t GroupTurns::next(std::string_view group) {
  const std::lock_guard lock(mutex_);
  const auto found = turns_.find(group);
  return found != turns_.end() ? ++found->second : turns_.emplace(group, 0).first->second;
}

Result<std::string> choose_binding(const config::Snapshot& snapshot, const std::string& wish, std::string_view current,
                                   GroupTurns* turns) {
  if (is_binding(snapshot, wish)) return wish;
  std::vector<const std::string*> members;
  if (const config::ScopePtr group = snapshot.root()->child(ScopeKind::binding_group, wish))
    group->children(ScopeKind::binding).each([&](const config::ChildMap::Entry& entry) {
      members.push_back(&entry.scope->instance());
    });
  if (members.empty())
    return fail(Errc::not_found, "there is no Binding or Binding_Group \"{}\"", escape_line(wish, 80));
  std::vector<const std::string*> free;
  for (const std::string* member : members) {
    if (is_suspended(snapshot, *member)) continue;
    if (iequals(*member, current)) return *member;
    free.push_back(member);
  }
  const auto& those = free.empty() ? members : free;
  return *those[(turns == nullptr ? 0 : turns->next(wish)) % those.size()];
}

}  // namespace impulse::queue
