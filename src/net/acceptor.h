// Acceptor: takes connections from a listening socket on a loop. net/ only.
#pragma once

#include "base/endpoint.h"
#include "base/fd.h"
#include "net/event_loop.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::net {

using Accepted = std::function<void(UniqueFd, Endpoint peer)>;
using Trouble = std::function<void(std::string_view)>;

// One accept. `listening` is the peer of a Unix connection. On failure errno.
struct AcceptResult {
  UniqueFd fd;
  Endpoint peer;
  int error = 0;
};
AcceptResult accept_one(int fd, const Endpoint& listening);
// The one connection failed, or the call was interrupted: the next may do.
bool is_passing(int error);

// Kept by a shared pointer while its own callbacks run, so that they may
// disarm it or destroy the listening socket. Loop thread only.
class Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  // `fd` is borrowed until stop().
  Acceptor(EventLoop& loop, int fd, Endpoint listening, Accepted accepted, int per_wakeup, Trouble trouble);
  ~Acceptor() { stop(); }
  void start();
  void stop();

 private:
  void ready();
  void rest(std::string_view why);

  EventLoop& loop_;
  int fd_;
  Endpoint listening_;
  Accepted accepted_;
  int per_wakeup_;
  Trouble trouble_;
  bool armed_ = false;
  bool told_ = false;  // trouble is told once, until a round has gone well
  Event event_;
  Event rest_event_;
};

}  // namespace impulse::net
