// Target: the server's addresses, looked up once, and sockets that are being
// connected to it.
#pragma once

#include "base/fd.h"
#include "console/address.h"
#include "console/inject/failure.h"

#include <sys/socket.h>

#include <string>
#include <vector>

namespace impulse::ecinject {

class Target {
 public:
  // EX_NOHOST, EX_TEMPFAIL: the name has no address, or cannot be looked up now.
  static Outcome<Target> resolve(const console::Address& address);

  size_t addresses() const { return places_.size(); }
  // A socket that does not block, connected or about to be: then it becomes writable.
  // The errno, when that cannot be. `which`: of the addresses.
  int connect(size_t which, UniqueFd& socket, bool& connected) const;
  // Nobody can listen on the way: a Unix socket, or this machine's own address.
  bool stays_here(size_t which) const;

 private:
  struct Place {
    sockaddr_storage address{};
    socklen_t length = 0;
  };
  std::vector<Place> places_;
};

}  // namespace impulse::ecinject
