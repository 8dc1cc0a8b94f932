// Listening sockets: acquired before they are needed (bind and listen), armed
// later, drained before they are closed.
#pragma once

#include "base/endpoint.h"
#include "base/fd.h"
#include "base/result.h"
#include "net/loop.h"

#include <sys/types.h>

#include <functional>
#include <memory>
#include <span>

namespace impulse::net {

struct ListenAttributes {
  int backlog = 500;
  mode_t file_mode = 0660;  // Unix sockets
  bool reuse_address = true;
  bool reuse_port = false;  // the configuration asks for a socket a loop
  int receive_buffer = 0;   // bytes; 0 leaves it to the kernel
  int send_buffer = 0;

  friend bool operator==(const ListenAttributes&, const ListenAttributes&) = default;
};

class ListenSocket {
 public:
  // socket, bind, listen. IPV6_V6ONLY always. `replacing` are listening
  // sockets of ours that will be closed once this one serves, and that may
  // overlap it (*:25 and 127.0.0.1:25): SO_REUSEPORT is set late on them and
  // on the new one for the bind, so that there is no instant at which nobody
  // listens, and cleared again by settle(), which is to be called on whichever
  // of them stay, old or new. They must belong to the same user (fchown them
  // before root is given up). When open() fails it undoes that itself.
  // Unix sockets: bound under a temporary name (path with "~"), renamed over
  // by publish(); "<path>.lock" is held for as long as the socket lives; a
  // socket of another living process is Errc::exists, a dead one's file is replaced.
  static Result<std::unique_ptr<ListenSocket>> open(const Endpoint& endpoint, const ListenAttributes& attributes,
                                                    std::span<ListenSocket* const> replacing = {});
  // Closes; a Unix socket's file is removed when it is still ours. On the loop's
  // thread when armed.
  virtual ~ListenSocket() = default;

  // noexcept: what apply and finish do.
  virtual void publish() noexcept = 0;  // Unix: rename into place
  virtual void settle() noexcept = 0;   // clears a temporary SO_REUSEPORT
  // Of several sockets on this address (Reuse_Port) the kernel chooses none
  // that is retired, for as long as this holds: until settle(), all new
  // connections go to one of those that stand alone.
  virtual void stand_alone() noexcept = 0;
  // New backlog, mode and buffer sizes on the living socket; buffer sizes of 0
  // take effect with the next socket only.
  virtual void repoint(const ListenAttributes& attributes) noexcept = 0;

  // Calls `accepted` on `loop` for each connection, at most `per_wakeup` each
  // round (0: 64). Out of descriptors: accepting rests 100 ms and `trouble` is told once,
  // until a round goes well again. An exception that leaves `accepted` counts
  // as trouble. Both closures may disarm or destroy this socket.
  virtual void arm(Loop& loop, std::function<void(UniqueFd, Endpoint peer)> accepted, int per_wakeup,
                   std::function<void(std::string_view)> trouble) = 0;
  // Stops accepting; loop thread of arm(). Connections go on queueing.
  virtual void disarm() = 0;
  // From now on the kernel gives new connections to other sockets, or refuses
  // them; what is in the queue, and TCP handshakes under way, can still be
  // accepted, while armed or by drain(). No way back. Exception: of several
  // sockets on one and the same address (SO_REUSEPORT) the kernel may choose a
  // retired one, as long as one of them is not; see stand_alone().
  virtual void retire() noexcept = 0;
  // retire(), then takes what is in the accept queue (at most backlog + 1),
  // without blocking: for a listener about to be closed. To lose no handshake
  // that is under way, stay armed or call it again some seconds later, and
  // only then destroy it. Loop thread of arm().
  virtual void drain(const std::function<void(UniqueFd, Endpoint peer)>& accepted) = 0;

  virtual const Endpoint& endpoint() const = 0;  // the kernel's port where 0 was asked for
  virtual const ListenAttributes& attributes() const = 0;
  virtual int fd() const = 0;
};

}  // namespace impulse::net
