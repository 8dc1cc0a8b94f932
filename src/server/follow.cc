#include "server/follow.h"

#include "base/clock.h"
#include "server/mail_session.h"

#include <latch>
#include <memory>
#include <vector>

namespace impulse::server {

namespace {

constexpr Duration slice = std::chrono::milliseconds(1);

// One loop's sessions, being told. On its thread.
struct Round {
  Worker& worker;
  std::latch& done;
  std::vector<uint64_t> ids;
  size_t next = 0;
};

void go_on(const std::shared_ptr<Round>& round) {
  const SteadyTime end = steady_now() + slice;
  while (round->next < round->ids.size()) {
    // A session may end, and leave the table, while it is told, or between slices.
    const auto found = round->worker.sessions.find(round->ids[round->next++]);
    if (found != round->worker.sessions.end()) found->second->configuration_changed();
    if (round->next % 8 == 0 && steady_now() >= end) break;
  }
  if (round->next < round->ids.size())
    round->worker.loop->post([round] { go_on(round); });
  else
    round->done.count_down();
}

}  // namespace

void tell_sessions(const Loops& loops, const config::SnapshotPtr& next) {
  const auto workers = loops.all();
  std::latch done(static_cast<std::ptrdiff_t>(workers.size()));
  for (Worker* worker : workers)
    worker->loop->post([worker, &done, next] {
      worker->snapshot = next;
      const auto round = std::make_shared<Round>(Round{*worker, done, {}, 0});
      round->ids.reserve(worker->sessions.size());
      for (const auto& [id, session] : worker->sessions) round->ids.push_back(id);
      go_on(round);
    });
  done.wait();
}

}  // namespace impulse::server
