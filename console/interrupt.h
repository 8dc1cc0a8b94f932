// Interrupt: Ctrl-C as a readable descriptor, so that waiting for the daemon
// or for a key can be waiting for it too. One at a time in a process.
#pragma once

#include "base/fd.h"

#include <csignal>

namespace impulse::console {

class Interrupt {
 public:
  Interrupt();   // takes SIGINT over
  ~Interrupt();  // gives it back
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  int fd() const { return reader_.get(); }  // readable: the user interrupted
  void clear();                             // forgets what came so far

 private:
  UniqueFd reader_;
  UniqueFd writer_;
  struct sigaction before_{};
};

}  // namespace impulse::console
