// Roles: who may run which command lines (Authorization { Role … { Allow } }).
#pragma once

#include "base/pattern.h"
#include "config/snapshot.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::auth {

struct Role {
  std::string name;
  std::vector<Pattern> allow;  // found anywhere in the line, unless anchored
  bool allows(std::string_view line) const;
};

// Immutable once built.
class Roles {
 public:
  Roles() = default;
  explicit Roles(std::vector<Role> roles) : roles_(std::move(roles)) {}
  explicit Roles(const config::Snapshot& snapshot);
  const std::vector<Role>& all() const { return roles_; }

  // The first role, in the order of the configuration, that is one of `mine`
  // (a user's name and groups) and allows the line; nullptr: none.
  const Role* decide(std::span<const std::string> mine, std::string_view line) const;
  // Roles, by name, of those that are in `mine`.
  std::vector<std::string> held(std::span<const std::string> mine) const;
  // Names of the roles that would allow the line.
  std::vector<std::string> needed(std::string_view line) const;

 private:
  std::vector<Role> roles_;
};

}  // namespace impulse::auth
