// Digest: what a configuration says, as one number. Two that say the same have
// the same digest, however their files are laid out; one bit of difference, and
// it is another.
#pragma once

#include "config/snapshot.h"

#include <string>

namespace impulse::config {

// 16 hexadecimal digits: all scopes and values, the order of Domain patterns,
// and the values of restart-class options as they run. Not where anything is
// said, and not the generation. A way to see that nothing has changed; no
// protection against who wants two configurations to look alike. Costs a walk
// through all of it. Any thread.
std::string digest(const Snapshot& snapshot);

}  // namespace impulse::config
