// Privileges: who the daemon is (the Security scope), and how it becomes that.
//
// Started by root, with a User in the Security scope, it takes on that user
// before the first file, socket or thread of its own is made: whatever it makes
// belongs to the user it will be, and what that user may not touch fails at
// start-up. Until release() the way back is open, for the few things that root
// has to do, and CAP_NET_BIND_SERVICE is in force on the first thread, so that
// ports below 1024 can be bound. Since all sockets belong to the same user from
// the beginning, they can take over from each other at any time (SO_REUSEPORT).
#pragma once

#include "base/result.h"
#include "config/snapshot.h"

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace impulse::server {

// What the Security scope asks for, looked up.
struct Identity {
  bool wanted = false;  // a User or Group is set
  std::string user;
  std::string group;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // all but gid
  // What stays, as cap_from_text(3) reads it. Not set: CAP_NET_BIND_SERVICE
  // where the daemon was started with it.
  std::string capabilities;
};

// Names become numbers: may ask a directory service, and block. A number stands
// for itself. Errors name the option; capabilities that this build cannot
// handle are Errc::unavailable. Does not ask whether we may become that.
Result<Identity> identity_of(const config::Snapshot& snapshot);

// Runs `look` on a thread that has the rights of that identity over files, as
// far as this process may take them on; for access checks.
void look_as(const Identity& identity, const std::function<void()>& look);

class Privileges {
 public:
  // Becomes that user, with the way back. The first thread, before there are others.
  Result<> assume(const Identity& identity);
  // As root again for the time of `work`, where that is possible. Before release().
  Result<> as_root(const std::function<Result<>()>& work);
  // For good: no way back, and only the capabilities that were asked for.
  Result<> release();

  // Threads that the first one makes inherit its capabilities, and need none.
  static void drop_capabilities_of_thread() noexcept;
  // Those of the calling thread, as text; empty: none.
  static std::string capabilities_text();

 private:
  Result<> limit() const;

  Identity identity_;
  bool assumed_ = false;  // by root: release() has something to do
};

}  // namespace impulse::server
