// Groups: which users belong to which group, from a file of lines
//   group:user1,user2            or, as in /etc/group,
//   group:password:user1,user2   group:password:gid:user1,user2
// with '#' comments; and the groups that the system knows of a user.
#pragma once

#include "auth/credentials.h"

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::auth {

// Immutable, shared between threads.
class Groups {
 public:
  static std::shared_ptr<const Groups> parse(std::string_view text, std::vector<BadLine>& bad);
  // Sorted.
  std::vector<std::string> of(std::string_view user) const;
  std::vector<std::string> users(std::string_view group) const;

 private:
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> users_;  // by group
};

// Name of a user of this machine, empty when it has none.
std::string system_user(uid_t uid);
// Names of the groups that a user of this machine is in, sorted; asks the
// system's user database, which may take its time (LDAP).
std::vector<std::string> system_groups(uid_t uid);

}  // namespace impulse::auth
