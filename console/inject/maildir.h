// The messages of a Maildir: what is in `new` and `cur`, in order of their
// names, which is about that of their delivery.
#pragma once

#include "base/result.h"

#include <string>
#include <vector>

namespace impulse::ecinject {

// Paths. Errc::not_found: it is no Maildir; Errc::invalid: it holds nothing.
Result<std::vector<std::string>> list_maildir(const std::string& folder);

}  // namespace impulse::ecinject
