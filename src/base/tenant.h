// The names of tenants, and of what belongs to them: "blue/alice" in a password
// file, "blue/example.com" of queues. A tenant's name has no '/', so the first
// one of such a name ends it.
#pragma once

#include "base/text.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace impulse {

constexpr size_t longest_tenant = 64;

// 1 to 64 letters, digits, '-', '_' and '.'.
inline bool is_tenant_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_tenant && std::ranges::all_of(name, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
  });
}

// "blue/alice"; of no tenant just "alice".
inline std::string tenant_name(std::string_view tenant, std::string_view name) {
  std::string whole(tenant);
  if (!tenant.empty()) whole += '/';
  return whole += name;
}

// "blue" of "blue/alice"; empty: it belongs to none.
inline std::string_view tenant_part(std::string_view whole) {
  const std::string_view part = whole.substr(0, std::min(whole.find('/'), whole.size()));
  return part.size() < whole.size() && is_tenant_name(part) ? part : std::string_view();
}

// "alice" of "blue/alice"; all of what belongs to none.
inline std::string_view own_part(std::string_view whole) {
  const std::string_view tenant = tenant_part(whole);
  return tenant.empty() ? whole : whole.substr(tenant.size() + 1);
}

}  // namespace impulse
