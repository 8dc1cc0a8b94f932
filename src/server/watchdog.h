// Watchdog: tells systemd that the daemon is alive as long as every loop
// answers. A loop that hangs stays silent, and systemd acts (WatchdogSec).
#pragma once

#include "net/loop.h"
#include "server/loops.h"
#include "server/notify.h"

#include <atomic>
#include <memory>

namespace impulse::server {

class Watchdog {
 public:
  // Borrowed, outliving it. On the main loop.
  Watchdog(net::Loop& main, const Loops& loops, net::Loop& delivery, Notify& notify, Duration limit);

 private:
  void look();

  const Loops& loops_;
  net::Loop& delivery_;
  Notify& notify_;
  const Duration pause_;                         // a third of the limit
  std::shared_ptr<std::atomic<size_t>> silent_;  // loops that were asked and have not answered
  net::Timer timer_;
};

}  // namespace impulse::server
