// Timer, ReadWatch, WriteWatch, SignalWatch: one libevent event and one closure each.
// The closure is held by a shared pointer for the time of the call, so that it
// may destroy the very object that calls it.
#include "net/event_loop.h"
#include "net/loop.h"

#include <cerrno>
#include <system_error>

namespace impulse::net {

namespace {

using Closure = std::shared_ptr<std::function<void()>>;

void call(evutil_socket_t, short, void* closure) noexcept {
  const Closure held = *static_cast<Closure*>(closure);
  (*held)();
}

Closure closure_of(std::function<void()> function) {
  return std::make_shared<std::function<void()>>(std::move(function));
}

// Out of memory or of the kernel's watches, or a descriptor that cannot be watched: a mistake in the program.
[[noreturn]] void refused() { throw std::system_error(errno, std::generic_category(), "event loop"); }

}  // namespace

struct Timer::Impl {
  EventLoop& loop;
  Closure fire;
  Event event;
};

Timer::Timer(Loop& loop, std::function<void()> fire)
    : impl_(new Impl{EventLoop::of(loop), closure_of(std::move(fire)), {}}) {
  impl_->event.assign(impl_->loop, -1, 0, call, &impl_->fire);
}

Timer::~Timer() = default;

void Timer::start(Duration after) {
  // libevent keeps a pending event in its old queue unless it is taken out.
  impl_->event.remove();
  if (!impl_->loop.add_timeout(impl_->event, after)) refused();
}

void Timer::stop() { impl_->event.remove(); }
bool Timer::running() const { return impl_->event.pending(); }

struct ReadWatch::Impl {
  Closure ready;
  Event event;
};

ReadWatch::ReadWatch(Loop& loop, int fd, std::function<void()> ready)
    : impl_(new Impl{closure_of(std::move(ready)), {}}) {
  impl_->event.assign(EventLoop::of(loop), fd, EV_READ | EV_PERSIST, call, &impl_->ready);
  if (!impl_->event.add()) refused();
}

ReadWatch::~ReadWatch() = default;

struct WriteWatch::Impl {
  Closure ready;
  Event event;
};

WriteWatch::WriteWatch(Loop& loop, int fd, std::function<void()> ready)
    : impl_(new Impl{closure_of(std::move(ready)), {}}) {
  impl_->event.assign(EventLoop::of(loop), fd, EV_WRITE | EV_PERSIST, call, &impl_->ready);
  if (!impl_->event.add()) refused();
}

WriteWatch::~WriteWatch() = default;

struct SignalWatch::Impl {
  Closure caught;
  Event event;
};

SignalWatch::SignalWatch(Loop& loop, int signal, std::function<void()> caught)
    : impl_(new Impl{closure_of(std::move(caught)), {}}) {
  impl_->event.assign(EventLoop::of(loop), signal, EV_SIGNAL | EV_PERSIST, call, &impl_->caught);
  if (!impl_->event.add()) refused();
}

SignalWatch::~SignalWatch() = default;

}  // namespace impulse::net
