// The relay rules by the names that SMTP's sessions have for them.
#pragma once

#include "intake/relay.h"

namespace impulse::smtp {

using intake::may_relay;

}  // namespace impulse::smtp
