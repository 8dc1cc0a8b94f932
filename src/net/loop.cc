// The event loop: a libevent base without locks, which only its own thread
// touches; the one way in for other threads is post(), over an eventfd.
#include "net/loop.h"

#include "base/thread_name.h"
#include "net/event_loop.h"

#include <event2/thread.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

namespace impulse::net {

namespace {

constexpr size_t scratch_size = 64 << 10;
// libevent takes at most 256 common time-outs a base. A duration gets one when
// it has proved itself, so that odd ones (what is left of something) take none.
constexpr unsigned most_queues = 128;
constexpr unsigned uses_before_queue = 8;
constexpr size_t most_durations = 1024;

timeval to_timeval(Duration duration) {
  const int64_t count = std::max<int64_t>(duration.count(), 0);
  return {static_cast<time_t>(count / 1000000), static_cast<suseconds_t>(count % 1000000)};
}

}  // namespace

void Event::assign(EventLoop& loop, evutil_socket_t fd, short what, Callback callback, void* argument) {
  remove();
  loop_ = &loop;
  callback_ = callback;
  argument_ = argument;
  assigned_ = event_assign(&event_, loop.base(), fd, what, fired, this) == 0;
}

void Event::fired(evutil_socket_t fd, short what, void* self) noexcept {
  const auto* event = static_cast<const Event*>(self);
  event->loop_->entered();
  event->callback_(fd, what, event->argument_);  // may destroy the event
}

void EventLoop::BaseDeleter::operator()(event_base* base) const { event_base_free(base); }

Result<std::unique_ptr<Loop>> Loop::create(std::string name) {
  // For libevent's few process-wide structures (signals); the bases have no locks.
  static const int threads = evthread_use_pthreads();
  if (threads != 0) return fail(Errc::io, "libevent: no thread support");
  std::unique_ptr<event_config, decltype(&event_config_free)> config(event_config_new(), &event_config_free);
  if (!config) return fail(Errc::no_space, "libevent: out of memory");
  event_config_set_flag(config.get(), EVENT_BASE_FLAG_NOLOCK);
  UniqueFd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake) return fail_errno(errno, "eventfd");
  {
    // libevent ends the process when it cannot have its own three descriptors
    // (epoll, and a pair for signals): so we look first.
    std::array<UniqueFd, 4> room;
    for (UniqueFd& each : room) {
      each = UniqueFd(::fcntl(wake.get(), F_DUPFD_CLOEXEC, 0));
      if (!each) return fail_errno(errno, "event loop");
    }
  }
  errno = 0;
  event_base* base = event_base_new_with_config(config.get());
  if (base == nullptr) return fail_errno(errno != 0 ? errno : ENOMEM, "event loop");
  auto loop = std::make_unique<EventLoop>(std::move(name), base, std::move(wake));
  if (auto watching = loop->start_watching(); !watching) return std::unexpected(watching.error());
  return loop;
}

EventLoop::EventLoop(std::string name, event_base* base, UniqueFd wake)
    : name_(std::move(name)), base_(base), wake_(std::move(wake)), scratch_(scratch_size) {}

EventLoop::~EventLoop() {
  // What was posted and never run may own connections and timers of this base,
  // and destroying them may post more.
  for (;;) {
    std::vector<std::function<void()>> rest;
    {
      const std::lock_guard lock(mutex_);
      rest.swap(posted_);
    }
    if (rest.empty()) break;
  }
  wake_event_.remove();
}

EventLoop& EventLoop::of(Loop& loop) {
  auto* event_loop = dynamic_cast<EventLoop*>(&loop);
  if (event_loop == nullptr) std::abort();  // a test's fake loop has no sockets and timers
  return *event_loop;
}

Result<> EventLoop::start_watching() {
  wake_event_.assign(
      *this, wake_.get(), EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* self) noexcept { static_cast<EventLoop*>(self)->woken(); }, this);
  if (!wake_event_.add()) return fail_errno(errno, "event loop");
  return {};
}

void EventLoop::run() {
  name_thread(name());
  thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  // One round each time: waiting, then all callbacks of what has come.
  int failed = 0;
  do {
    failed = event_base_loop(base_.get(), EVLOOP_NO_EXIT_ON_EMPTY | EVLOOP_ONCE);
    end_round();
  } while (failed == 0 && event_base_got_break(base_.get()) == 0);
}

void EventLoop::end_round() {
  if (!in_round_) return;
  const int64_t took = std::chrono::duration_cast<Duration>(steady_now() - *in_round_).count();
  in_round_.reset();
  if (took > longest_round.load(std::memory_order_relaxed)) longest_round.store(took, std::memory_order_relaxed);
}

void EventLoop::stop() {
  post([this] { event_base_loopbreak(base_.get()); });
}

void EventLoop::post(std::function<void()> work) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
    wake = !std::exchange(waking_, true);
  }
  if (!wake) return;
  const uint64_t one = 1;
  while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void EventLoop::woken() {
  uint64_t count = 0;
  while (::read(wake_.get(), &count, sizeof count) < 0 && errno == EINTR) {
  }
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(mutex_);
    work.swap(posted_);
    waking_ = false;
  }
  // What these post waits for the next round: sockets and timers get their turn.
  for (auto& each : work) {
    each();
    each = nullptr;  // what it holds goes now, not after all the others
  }
}

bool EventLoop::in_loop_thread() const { return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

size_t EventLoop::events() const {
  return static_cast<size_t>(std::max(0, event_base_get_num_events(base_.get(), EVENT_BASE_COUNT_ADDED)));
}

SteadyTime EventLoop::now() const {
  // libevent's cached time changes once a round; we follow it with a steady clock.
  timeval round{};
  event_base_gettimeofday_cached(base_.get(), &round);
  if (round.tv_sec != round_.tv_sec || round.tv_usec != round_.tv_usec) {
    round_ = round;
    now_ = steady_now();
  }
  return now_;
}

bool EventLoop::add_timeout(Event& event, Duration after) {
  const timeval value = to_timeval(after);
  return event.add(common(after.count(), value));
}

const timeval* EventLoop::common(int64_t microseconds, const timeval& value) {
  const auto found = durations_.find(microseconds);
  if (found == durations_.end()) {
    if (durations_.size() >= most_durations)
      std::erase_if(durations_, [](const auto& entry) { return entry.second.queue == nullptr; });
    if (durations_.size() < most_durations) durations_.emplace(microseconds, Common{1, nullptr});
    return &value;
  }
  Common& entry = found->second;
  if (entry.queue == nullptr && ++entry.uses >= uses_before_queue && queues_ < most_queues) {
    entry.queue = event_base_init_common_timeout(base_.get(), &value);
    if (entry.queue != nullptr) ++queues_;
  }
  return entry.queue != nullptr ? entry.queue : &value;
}

}  // namespace impulse::net
