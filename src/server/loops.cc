#include "server/loops.h"

#include "server/privileges.h"

#include <algorithm>
#include <latch>
#include <system_error>

namespace impulse::server {

Loops::~Loops() { stop(); }

size_t Loops::wanted(const config::Options& options) {
  const int64_t asked = options[config::key::concurrency];
  if (asked > 0) return static_cast<size_t>(asked);
  return std::max(1U, std::thread::hardware_concurrency());
}

Result<> Loops::grow(const config::Snapshot& next) {
  for (const std::string& name : next.event_loops()) {
    const size_t count = wanted(*next.event_loop(name));
    Pool& pool = pools_[name];
    if (auto added = add(name, pool, count); !added) {
      shrink();
      return added;
    }
    pool.coming = count;
  }
  return {};
}

Result<> Loops::add(const std::string& name, Pool& pool, size_t count) {
  while (pool.workers.size() < count) {
    const auto refused = [&](std::string_view why) {
      return fail(Errc::no_space, "EventLoop {}: no thread {} of {}: {}", name, pool.workers.size() + 1, count, why);
    };
    auto loop = net::Loop::create(fmt::format("{}-{}", name, pool.workers.size()));
    if (!loop) return refused(loop.error().message);
    auto worker = std::make_unique<Worker>();
    worker->loop = std::move(*loop);
    try {
      worker->thread = std::thread([loop = worker->loop.get()] {
        Privileges::drop_capabilities_of_thread();
        loop->run();
      });
    } catch (const std::system_error& error) {
      return refused(error.what());
    }
    pool.workers.push_back(std::move(worker));
  }
  return {};
}

void Loops::shrink() noexcept {
  for (auto& [name, pool] : pools_) {
    pool.coming = 0;
    while (pool.workers.size() > pool.lasting) {
      stop(*pool.workers.back());
      pool.workers.pop_back();
    }
  }
  std::erase_if(pools_, [](const auto& pool) { return pool.second.workers.empty(); });
}

void Loops::resize(const config::Snapshot& next) noexcept {
  for (auto& [name, pool] : pools_) {
    pool.coming = 0;
    pool.lasting = pool.workers.size();
  }
  for (const std::string& name : next.event_loops()) {
    Pool& pool = pools_[name];
    pool.serving = std::min(wanted(*next.event_loop(name)), pool.workers.size());
  }
}

std::vector<Worker*> Loops::pool(const std::string& name, size_t at_most) const {
  std::vector<Worker*> found;
  const auto it = pools_.find(name);
  if (it == pools_.end()) return found;
  const Pool& pool = it->second;
  size_t count = pool.coming > 0 ? pool.coming : pool.serving > 0 ? pool.serving : pool.workers.size();
  if (at_most > 0) count = std::min(count, at_most);
  for (size_t i = 0; i < count; ++i) found.push_back(pool.workers[i].get());
  return found;
}

std::vector<Worker*> Loops::all() const {
  std::vector<Worker*> found;
  for (const auto& [name, pool] : pools_)
    for (const auto& worker : pool.workers) found.push_back(worker.get());
  return found;
}

void Loops::run_on_all(const std::function<void(Worker&)>& work) const {
  const auto workers = all();
  std::latch done(static_cast<std::ptrdiff_t>(workers.size()));
  for (Worker* worker : workers)
    worker->loop->post([&work, worker, &done] {
      work(*worker);
      done.count_down();
    });
  done.wait();
}

void Loops::run_on(Worker& worker, const std::function<void()>& work) {
  std::latch done(1);
  worker.loop->post([&] {
    work();
    done.count_down();
  });
  done.wait();
}

void Loops::stop() {
  for (Worker* worker : all()) stop(*worker);
}

void Loops::stop(Worker& worker) {
  if (!worker.thread.joinable()) return;
  worker.loop->stop();
  worker.thread.join();
}

Worker& least_busy(const std::vector<Worker*>& workers) {
  return **std::min_element(workers.begin(), workers.end(), [](const Worker* a, const Worker* b) {
    return a->loop->sessions.load(std::memory_order_relaxed) < b->loop->sessions.load(std::memory_order_relaxed);
  });
}

}  // namespace impulse::server
