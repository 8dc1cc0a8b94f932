// A queue's name: the domain that its mail goes to, and before it the tenant
// whose mail it is: "example.com", "blue/example.com". So what one tenant's mail
// waits for is nothing to another's. A domain has no '/'.
#pragma once

#include "base/tenant.h"

#include <string>
#include <string_view>

namespace impulse::queue {

inline std::string name_of(std::string_view tenant, std::string_view domain) { return tenant_name(tenant, domain); }
inline std::string_view tenant_of(std::string_view name) { return tenant_part(name); }
inline std::string_view domain_of(std::string_view name) { return own_part(name); }

}  // namespace impulse::queue
