// What one attempt to move bytes came to, on a plain socket or through TLS. net/ only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace impulse::net {

enum class Io : uint8_t {
  ok,          // `bytes` were moved
  need_read,   // nothing was moved: the socket must become readable first
  need_write,  // nothing was moved: the socket must become writable first
  end,         // the peer will send no more
  failed,      // `detail` says why; nothing more can be done with the connection
};

struct IoResult {
  Io io = Io::ok;
  size_t bytes = 0;
  bool more = false;  // reading: try again without waiting for the socket (bytes are inside TLS)
  std::string detail;
};

}  // namespace impulse::net
