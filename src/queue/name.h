// A queue's name: the domain that its mail goes to; before it the tenant whose
// mail it is, behind it the Binding by which it goes: "example.com",
// "blue/example.com", "example.com%b1", "blue/example.com%b1". So what one tenant's
// mail waits for, or what goes by one binding, is nothing to another's. A domain
// has neither '/' nor '%', and sorts directly before its queues of other bindings.
#pragma once

#include "base/tenant.h"
#include "base/text.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace impulse::queue {

// By which mail goes that is assigned to no other one. It is not said in names.
inline constexpr std::string_view default_binding = "default";
inline constexpr char binding_mark = '%';

// `binding`: empty is the default one.
inline std::string name_of(std::string_view tenant, std::string_view domain, std::string_view binding = {}) {
  std::string name = tenant_name(tenant, domain);
  if (!binding.empty() && binding != default_binding) (name += binding_mark) += binding;
  return name;
}
// Without the binding: "blue/example.com".
inline std::string_view without_binding(std::string_view name) { return name.substr(0, name.rfind(binding_mark)); }
inline std::string_view tenant_of(std::string_view name) { return tenant_part(name); }
inline std::string_view domain_of(std::string_view name) { return own_part(without_binding(name)); }
inline std::string_view binding_of(std::string_view name) {
  const size_t mark = name.rfind(binding_mark);
  return mark == std::string_view::npos ? default_binding : name.substr(mark + 1);
}
// The same queue's name for another binding.
inline std::string rebound(std::string_view name, std::string_view binding) {
  return name_of({}, without_binding(name), binding);
}

}  // namespace impulse::queue
