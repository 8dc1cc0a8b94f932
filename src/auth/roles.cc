#include "auth/roles.h"

#include <algorithm>

namespace impulse::auth {

bool Role::allows(std::string_view line) const {
  return std::any_of(allow.begin(), allow.end(), [&](const Pattern& pattern) { return pattern.matches(line); });
}

Roles::Roles(const config::Snapshot& snapshot) {
  for (const config::RoleConf& role : snapshot.roles()) roles_.push_back({role.name, role.allow});
}

const Role* Roles::decide(std::span<const std::string> mine, std::string_view line) const {
  for (const Role& role : roles_)
    if (std::find(mine.begin(), mine.end(), role.name) != mine.end() && role.allows(line)) return &role;
  return nullptr;
}

std::vector<std::string> Roles::held(std::span<const std::string> mine) const {
  std::vector<std::string> names;
  for (const Role& role : roles_)
    if (std::find(mine.begin(), mine.end(), role.name) != mine.end()) names.push_back(role.name);
  return names;
}

std::vector<std::string> Roles::needed(std::string_view line) const {
  std::vector<std::string> names;
  for (const Role& role : roles_)
    if (role.allows(line)) names.push_back(role.name);
  return names;
}

}  // namespace impulse::auth
