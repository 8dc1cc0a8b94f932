#include "control/command.h"

#include "base/text.h"

#include <algorithm>

namespace impulse::control {

std::string PeerIdentity::to_string() const {
  if (!user.empty()) return user;
  return uid == static_cast<uid_t>(-1) ? "anonymous" : fmt::format("uid {}", uid);
}

namespace {

// How many leading words of the two are the same.
size_t common_words(const std::vector<std::string_view>& name, std::span<const std::string_view> words) {
  size_t count = 0;
  while (count < name.size() && count < words.size() && iequals(name[count], words[count])) ++count;
  return count;
}

}  // namespace

CommandTable::Found CommandTable::find(std::span<const std::string_view> words) const {
  Found best;
  for (const Command& command : commands_) {
    const auto name = impulse::words(command.name);
    const size_t common = common_words(name, words);
    const bool whole = common == name.size();
    if (whole && (best.command == nullptr || common > best.used))
      best = {&command, common};
    else if (best.command == nullptr && common > best.used)
      best.used = common;
  }
  return best;
}

std::vector<std::string_view> CommandTable::next_words(std::span<const std::string_view> words) const {
  std::vector<std::string_view> found;
  for (const Command& command : commands_) {
    const auto name = impulse::words(command.name);
    if (name.size() <= words.size() || common_words(name, words) != words.size()) continue;
    const std::string_view next = name[words.size()];
    if (std::find(found.begin(), found.end(), next) == found.end()) found.push_back(next);
  }
  return found;
}

}  // namespace impulse::control
