#include "server/follow.h"

#include "base/clock.h"
#include "server/client_session.h"

#include <latch>
#include <memory>
#include <vector>

namespace impulse::server {

namespace {

constexpr Duration slice = std::chrono::milliseconds(1);

// One worker's list of things to do. On its thread.
struct Round {
  net::Loop& loop;
  std::latch& done;
  size_t count = 0;
  std::function<void(size_t)> work;
  size_t next = 0;
};

void go_on(const std::shared_ptr<Round>& round) {
  const SteadyTime end = steady_now() + slice;
  while (round->next < round->count) {
    round->work(round->next++);
    if (round->next % 8 == 0 && steady_now() >= end) break;
  }
  if (round->next < round->count)
    round->loop.post([round] { go_on(round); });
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
      std::vector<uint64_t> ids;
      ids.reserve(worker->sessions.size());
      for (const auto& [id, session] : worker->sessions) ids.push_back(id);
      const size_t count = ids.size();
      go_on(std::make_shared<Round>(Round{*worker->loop, done, count, [worker, ids = std::move(ids)](size_t i) {
                                            // A session may end, and leave the table, while it is told, or between
                                            // slices.
                                            const auto found = worker->sessions.find(ids[i]);
                                            if (found != worker->sessions.end()) found->second->configuration_changed();
                                          }}));
    });
  done.wait();
}

void Errands::add(Worker* worker, std::function<void()> work) {
  if (worker == nullptr)
    work();
  else
    work_[worker].push_back(std::move(work));
}

void Errands::run() {
  std::latch done(static_cast<std::ptrdiff_t>(work_.size()));
  for (const auto& [worker, list] : work_)
    worker->loop->post([worker, &done, &list] {
      go_on(std::make_shared<Round>(Round{*worker->loop, done, list.size(), [&list](size_t i) { list[i](); }}));
    });
  done.wait();
  work_.clear();
}

}  // namespace impulse::server
