#include "auth/groups.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

namespace impulse::auth {

namespace {

constexpr size_t largest_entry = size_t{1} << 20;  // of the user database, bytes

bool is_name(std::string_view text) {
  return !text.empty() && is_utf8(text) && std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
}

struct User {
  std::string name;
  gid_t group = 0;
};

std::optional<User> user_of(uid_t uid) {
  std::vector<char> buffer(4096);
  for (;;) {
    passwd entry{};
    passwd* found = nullptr;
    const int error = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < largest_entry) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (error != 0 || found == nullptr) return std::nullopt;
    return User{found->pw_name, found->pw_gid};
  }
}

std::string group_name(gid_t gid) {
  std::vector<char> buffer(4096);
  for (;;) {
    group entry{};
    group* found = nullptr;
    const int error = ::getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < largest_entry) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    return error != 0 || found == nullptr ? std::string() : std::string(found->gr_name);
  }
}

}  // namespace

std::shared_ptr<const Groups> Groups::parse(std::string_view text, std::vector<BadLine>& bad) {
  auto made = std::make_shared<Groups>();
  uint32_t number = 0;
  for (const std::string_view whole : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(whole);
    if (line.empty() || line.starts_with('#')) continue;
    const auto fields = split(line, ':');
    const std::string_view group = trim(fields.front());
    if (fields.size() < 2 || fields.size() > 4) {
      bad.push_back({number, "group:user,user is expected"});
      continue;
    }
    if (!is_name(group)) {
      bad.push_back({number, "a group's name is expected in front of the ':'"});
      continue;
    }
    auto& users = made->users_[std::string(group)];  // a group may have several lines
    std::string list(fields.back());
    std::replace(list.begin(), list.end(), ',', ' ');
    for (const std::string_view user : words(list)) {
      if (is_name(user))
        users.emplace(user);
      else
        bad.push_back({number, "a user's name is UTF-8 without control characters"});
    }
  }
  return made;
}

std::vector<std::string> Groups::of(std::string_view user) const {
  std::vector<std::string> found;
  for (const auto& [group, users] : users_)
    if (users.contains(user)) found.push_back(group);
  return found;
}

std::vector<std::string> Groups::users(std::string_view group) const {
  const auto at = users_.find(group);
  if (at == users_.end()) return {};
  return {at->second.begin(), at->second.end()};
}

std::string system_user(uid_t uid) {
  const auto user = user_of(uid);
  return user ? user->name : std::string();
}

std::vector<std::string> system_groups(uid_t uid) {
  const auto user = user_of(uid);
  if (!user) return {};
  std::vector<gid_t> ids(64);
  int count = static_cast<int>(ids.size());
  if (::getgrouplist(user->name.c_str(), user->group, ids.data(), &count) < 0) {
    ids.resize(static_cast<size_t>(count));
    if (::getgrouplist(user->name.c_str(), user->group, ids.data(), &count) < 0) return {};
  }
  ids.resize(static_cast<size_t>(count));
  std::vector<std::string> names;
  for (const gid_t id : ids)
    if (std::string name = group_name(id); !name.empty()) names.push_back(std::move(name));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace impulse::auth
