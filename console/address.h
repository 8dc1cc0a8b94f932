// Where a console connects to: [user@]endpoint, where the endpoint is the
// path of a Unix socket, host:port or [v6]:port.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace impulse::console {

struct Address {
  std::string user;  // empty: none was given
  std::string path;  // of a Unix socket; empty: host and port
  std::string host;  // name or address, without brackets
  std::string port;
  std::string to_string() const;  // without the user
};

// What holds a '/' or no ':' is a path.
Result<Address> parse_address(std::string_view text);

}  // namespace impulse::console
