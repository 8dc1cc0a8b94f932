// By which Binding mail goes out, as the configuration and the connection's
// context say. Any thread.
#pragma once

#include "base/result.h"
#include "config/snapshot.h"
#include "message/envelope.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::queue {

// "default", or there is a Binding of that name.
bool is_binding(const config::Snapshot& snapshot, std::string_view name);
// The Binding_Group that it stands in; "default": in none.
std::string_view group_of(const config::Snapshot& snapshot, std::string_view binding);
// Suspend_Delivery holds all of it.
bool is_suspended(const config::Snapshot& snapshot, std::string_view binding);

// What the context of a message names: a Binding, or a Binding_Group; else
// Default_Binding.
std::string wish_of(const config::Snapshot& snapshot, const message::Envelope& envelope);
// The Binding that is meant. Of a group it is `current`, if it is one of it that is not
// suspended; else one of those that are not suspended, if there are any: `turn` says
// which. Errc::not_found: there is neither such a Binding nor a group with one.
Result<std::string> choose_binding(const config::Snapshot& snapshot, const std::string& wish, std::string_view current,
                                   uint64_t turn);

}  // namespace impulse::queue
