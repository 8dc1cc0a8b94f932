#include "auth/roles.h"

#include <algorithm>

namespace impulse::auth {

bool Role::allows(std::string_view line) const {
  return std::any_of(allow.begin(), allow.end(), [&](const Pattern& pattern) { return pattern.matches(line); });
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

Result<Role> make_role(std::string_view name, std::span<const std::string> patterns) {
  Role role;
  role.name = std::string(name);
  for (const std::string& text : patterns) {
    auto pattern = Pattern::compile(text);
    if (!pattern) return fail(Errc::invalid, "Allow, pattern {}: {}", role.allow.size() + 1, pattern.error().message);
    role.allow.push_back(std::move(*pattern));
  }
  return role;
}

}  // namespace impulse::auth
