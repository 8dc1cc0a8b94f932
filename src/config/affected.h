// Which scopes a change may have made wrong that it did not touch: names that
// went, values that others fall back on. All else that is as it was need not be
// looked at again. For cross_checks.cc.
#pragma once

#include "config/compiler.h"

namespace impulse::config {

// Whether a global scope of that kind has gone.
bool lost(const Scope& before, const Scope& now, ScopeKind kind);
// Whether a Binding or Binding_Group has gone, or a group's last Binding.
bool bindings_lost(const CompiledSnapshot& before, const CompiledSnapshot& now);
// Whether a Pathway came or went, or one that changed says what scopes that name it are checked for.
bool pathways_matter(const CompiledSnapshot& before, const CompiledSnapshot& now);
// Whether a Maildir_Path may be missing elsewhere now: scopes for delivery
// fall back on each other by name and pattern, not only on those around
// them. A Domain is all by itself where there are no Bindings.
bool delivery_gives_less(const Scope& before, const Scope& now);
// Whether all is the same that checks of scopes further in look at.
bool same_outer_values(const Scope& a, const Scope& b);
// Whether Peers inside a Peer of this scope may lack a certificate now.
bool peers_give_less(const Scope& before, const Scope& now);
// Whether it wants a certificate, or gives one.
bool is_tls(const OptionDef& option);

}  // namespace impulse::config
