// One edit of a tree: what `config set` and `config unset` mean, with the
// checks a file goes through. Pure: a root in, a root out.
#pragma once

#include "config/engine.h"

#include <memory>
#include <string>

namespace impulse::config {

struct Edited {
  ScopePtr root;            // null: refused
  Operation operation;      // what was done, canonical
  Diagnostics diagnostics;  // notices and warnings; errors when refused
  Errc code = Errc::invalid;
  std::string error;  // when refused and no diagnostic says it
};

Edited edit_set(const ScopePtr& root, const ScopePath& path, const std::string& option, const RawValue& value,
                std::shared_ptr<const Source> source);
// With an empty option the whole scope goes.
Edited edit_unset(const ScopePtr& root, const ScopePath& path, const std::string& option,
                  std::shared_ptr<const Source> source);
// An operation that was done before, anew.
Edited edit_again(const ScopePtr& root, const Operation& operation);

}  // namespace impulse::config
