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
  // listens, and cleared again by settle(). Unix sockets: bound under a
  // temporary name, renamed over by publish(); a socket of another living
  // process is Errc::exists, a dead one's file is replaced.
  static Result<std::unique_ptr<ListenSocket>> open(const Endpoint& endpoint, const ListenAttributes& attributes,
                                                    std::span<ListenSocket* const> replacing = {});
  virtual ~ListenSocket() = default;  // closes; a Unix socket's file is removed when it is still ours

  // noexcept: what apply and finish do.
  virtual void publish() noexcept = 0;  // Unix: rename into place
  virtual void settle() noexcept = 0;   // clears a temporary SO_REUSEPORT
  // New backlog, mode and buffer sizes on the living socket.
  virtual void repoint(const ListenAttributes& attributes) noexcept = 0;

  // Calls `accepted` on `loop` for each connection, at most `per_wakeup` each
  // round. Out of descriptors: accepting rests 100 ms and `trouble` is told once.
  virtual void arm(Loop& loop, std::function<void(UniqueFd, Endpoint peer)> accepted, int per_wakeup,
                   std::function<void(std::string_view)> trouble) = 0;
  // Stops accepting; loop thread of arm().
  virtual void disarm() = 0;
  // Takes what is still in the accept queue (at most `backlog`), without
  // blocking: for a listener about to be closed.
  virtual void drain(const std::function<void(UniqueFd, Endpoint peer)>& accepted) = 0;

  virtual const Endpoint& endpoint() const = 0;  // the kernel's port where 0 was asked for
  virtual const ListenAttributes& attributes() const = 0;
  virtual int fd() const = 0;
};

}  // namespace impulse::net
