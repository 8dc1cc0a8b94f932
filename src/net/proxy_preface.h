// ProxyPreface: takes a PROXY header off a socket, and not one byte more, so
// that whoever comes next (OpenSSL, which reads sockets itself, or a protocol
// engine) sees the client's own first byte.
//
// What has arrived is looked at with MSG_PEEK; what the parser says belongs to
// the header is then taken off. An incomplete header is taken off as well, and
// kept by the parser: so a socket that holds half a header is not readable any
// more, and a level-triggered loop does not spin on it.
#pragma once

#include "base/clock.h"
#include "base/fd.h"
#include "net/loop.h"
#include "net/proxy_header.h"

#include <functional>
#include <memory>

namespace impulse::net {

class ProxyPreface {
 public:
  // Gets the header and the descriptor, or why there is none: Errc::invalid
  // (bad header, or the peer has gone), Errc::timeout, Errc::io; the
  // descriptor comes with failures too. Called once, from the loop, never from
  // inside start(); may destroy the ProxyPreface. Must not throw.
  using Done = std::function<void(Result<ProxyHeader>, UniqueFd)>;

  // Loop thread. `patience` is for the whole header. Errc::no_space when the
  // loop cannot wait for it; `socket` is closed then.
  static Result<std::unique_ptr<ProxyPreface>> start(Loop& loop, UniqueFd socket, Duration patience, Done done,
                                                     size_t limit = ProxyParser::default_limit);
  virtual ~ProxyPreface() = default;  // closes the descriptor, if it is still here, and calls nobody
};

}  // namespace impulse::net
