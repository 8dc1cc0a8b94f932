// Making a Setting of what was written: the checks that a file and the console share.
#pragma once

#include "config/tree.h"

namespace impulse::config {

// Null when it was refused; `diagnostics` says why, or what to note.
struct CheckedSetting {
  std::shared_ptr<const Setting> setting;
  Diagnostics diagnostics;
};

// `name` as written at `place` of `source`, to stand in a scope of that kind.
CheckedSetting check_setting(ScopeKind scope, std::string_view name, Place place, const RawValue& value,
                             const std::shared_ptr<const Source>& source, bool edited);

}  // namespace impulse::config
