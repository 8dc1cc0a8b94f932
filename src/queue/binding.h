// By which Binding mail goes out, as the configuration and the connection's
// context say. Any thread.
#pragma once

#include "base/result.h"
#include "config/snapshot.h"
#include "message/envelope.h"

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace impulse::queue {

// "default", or there is a Binding of that name.
bool is_binding(const config::Snapshot& snapshot, std::string_view name);
// The Binding of that name as the configuration writes it, for a queue's name: mail keeps
// the case that its Binding had once. Empty: there is none.
std::string_view binding_name(const config::Snapshot& snapshot, std::string_view name);
// The Binding_Group that it stands in; "default": in none.
std::string_view group_of(const config::Snapshot& snapshot, std::string_view binding);
// Suspend_Delivery holds all of it.
bool is_suspended(const config::Snapshot& snapshot, std::string_view binding);

// What the context of a message names: a Binding, or a Binding_Group; else
// Default_Binding.
std::string wish_of(const config::Snapshot& snapshot, const message::Envelope& envelope);
// Whose turn it is in each Binding_Group. Any thread.
class GroupTurns {
 public:
  uint64_t next(std::string_view group);  // 0, 1, 2 … for each of them

 private:
  std::mutex mutex_;
  std::map<std::string, uint64_t, std::less<>> turns_;
};

// The Binding that is meant. Of a group it is `current`, if it is one of it that is not
// suspended; else those that are not suspended have it in turn, and all of them when all
// are (`turns` null: the first). Errc::not_found: there is neither such a Binding nor a
// group with one.
Result<std::string> choose_binding(const config::Snapshot& snapshot, const std::string& wish,
                                   std::string_view current = {}, GroupTurns* turns = nullptr);

}  // namespace impulse::queue
