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

std::string_view group_of(const config::Snapshot& snapshot, std::string_view binding) {
  const config::GroupedScopes::Member* found = snapshot.binding_scopes().find(binding);
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

Result<std::string> choose_binding(const config::Snapshot& snapshot, const std::string& wish, std::string_view current,
                                   uint64_t turn) {
  if (is_binding(snapshot, wish)) return wish;
  std::vector<const std::string*> members;
  if (const config::ScopePtr group = snapshot.root()->child(ScopeKind::binding_group, wish))
    group->children(ScopeKind::binding).each([&](const config::ChildMap::Entry& entry) {
      members.push_back(&entry.scope->instance());
    });
  if (members.empty())
    return fail(Errc::not_found, "there is no Binding or Binding_Group \"{}\"", escape_line(wish, 80));
  for (const std::string* member : members)
    if (*member == current && !is_suspended(snapshot, current)) return *member;
  for (size_t i = 0; i < members.size(); ++i) {
    const std::string& member = *members[(turn + i) % members.size()];
    if (!is_suspended(snapshot, member)) return member;
  }
  return *members[turn % members.size()];
}

}  // namespace impulse::queue
