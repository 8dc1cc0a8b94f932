// getaddrinfo has no deadline and cannot be cancelled: a thread that waits in
// it is never joined. It holds the shared State, and what it has to say is
// dropped when the Resolver has gone.
#include "delivery/resolver.h"

#include "base/thread_name.h"

#include <netdb.h>

#include <chrono>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

namespace impulse::delivery {
namespace {

constexpr auto keep_good = std::chrono::seconds(60);
constexpr auto keep_bad = std::chrono::seconds(5);
constexpr size_t max_cached = 4096;
constexpr unsigned max_threads = 8;

}  // namespace

Result<std::vector<IpAddress>> system_lookup(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (error != 0) {
    const Errc code = error == EAI_NONAME ? Errc::not_found : Errc::busy;
    return fail(code, "cannot resolve {}: {}", name, ::gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    if (const auto address = IpAddress::from_sockaddr(each->ai_addr, each->ai_addrlen)) addresses.push_back(*address);
  }
  if (addresses.empty()) return fail(Errc::not_found, "{} has no address", name);
  return addresses;
}

// The loop's side is touched on the loop only; the threads' side under the mutex.
struct Resolver::State : std::enable_shared_from_this<Resolver::State> {
  struct Cached {
    Result<std::vector<IpAddress>> answer;
    SteadyTime until;
  };

  State(net::Loop& on, Lookup by) : loop(&on), lookup(std::move(by)) {}

  void ask(const std::string& name) {
    const std::lock_guard lock(mutex);
    names.push_back(name);
    if (threads == max_threads) return;
    ++threads;
    std::thread([state = shared_from_this()] { state->work(); }).detach();
  }

  void work() {
    name_thread("resolver");
    std::unique_lock lock(mutex);
    while (!names.empty() && loop != nullptr) {
      const std::string name = std::move(names.front());
      names.pop_front();
      lock.unlock();
      auto answer = lookup(name);
      lock.lock();
      if (loop != nullptr) {
        loop->post([weak = weak_from_this(), name, answer = std::move(answer)]() mutable {
          if (const auto state = weak.lock()) state->answered(name, std::move(answer));
        });
      }
    }
    --threads;
  }

  void answered(const std::string& name, Result<std::vector<IpAddress>> answer) {
    {
      const std::lock_guard lock(mutex);
      if (loop == nullptr) return;
    }
    const auto waiting = std::exchange(waiters[name], {});
    waiters.erase(name);
    if (cache.size() >= max_cached) cache.clear();
    const SteadyTime until = steady_now() + (answer ? keep_good : keep_bad);
    cache.insert_or_assign(name, Cached{answer, until});
    for (const Answer& each : waiting) each(answer);
  }

  net::Loop* loop;  // under the mutex; null: the Resolver has gone
  const Lookup lookup;
  std::unordered_map<std::string, Cached> cache;
  std::unordered_map<std::string, std::vector<Answer>> waiters;

  std::mutex mutex;
  std::deque<std::string> names;
  unsigned threads = 0;
};

Resolver::Resolver(net::Loop& loop, Lookup lookup) : state_(std::make_shared<State>(loop, std::move(lookup))) {}

Resolver::~Resolver() {
  const std::lock_guard lock(state_->mutex);
  state_->loop = nullptr;
  state_->names.clear();
  state_->waiters.clear();
}

void Resolver::resolve(const std::string& name, Answer answer) {
  const auto cached = state_->cache.find(name);
  if (cached != state_->cache.end() && steady_now() < cached->second.until) {
    state_->loop->post([weak = std::weak_ptr(state_), answer = std::move(answer), result = cached->second.answer] {
      const auto state = weak.lock();
      if (state == nullptr) return;
      {
        const std::lock_guard lock(state->mutex);
        if (state->loop == nullptr) return;
      }
      answer(result);
    });
    return;
  }
  auto& waiting = state_->waiters[name];
  waiting.push_back(std::move(answer));
  if (waiting.size() == 1) state_->ask(name);
}

}  // namespace impulse::delivery
