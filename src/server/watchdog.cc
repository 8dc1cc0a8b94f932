#include "server/watchdog.h"

namespace impulse::server {

Watchdog::Watchdog(net::Loop& main, const Loops& loops, net::Loop& delivery, Notify& notify, Duration limit)
    : loops_(loops),
      delivery_(delivery),
      notify_(notify),
      pause_(limit / 3),
      silent_(std::make_shared<std::atomic<size_t>>(0)),
      timer_(main, [this] { look(); }) {
  look();
}

void Watchdog::look() {
  timer_.start(pause_);
  if (silent_->load() != 0) return;  // asked last time, and still waiting
  notify_.alive();
  const auto workers = loops_.all();
  silent_->store(workers.size() + 1);
  const auto answer = [silent = silent_] { silent->fetch_sub(1); };
  for (Worker* worker : workers) worker->loop->post(answer);
  delivery_.post(answer);
}

}  // namespace impulse::server
