// Event: RAII over one libevent event, embedded in its owner. net/ only.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

namespace impulse::net {

class EventLoop;

// Must be gone, or assigned anew, before its base goes. Not movable: libevent
// keeps its address while it is pending.
class Event {
 public:
  using Callback = void (*)(evutil_socket_t, short, void*);

  Event() = default;
  ~Event() { remove(); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // `fd` -1 for a pure timer.
  void assign(EventLoop& loop, evutil_socket_t fd, short what, Callback callback, void* argument);
  // False when the kernel refuses (out of memory or watches).
  [[nodiscard]] bool add(const timeval* timeout = nullptr) { return assigned_ && event_add(&event_, timeout) == 0; }
  void remove() noexcept {
    if (assigned_) event_del(&event_);
  }
  // Runs the callback in this round of the loop.
  void activate() {
    if (assigned_) event_active(&event_, EV_WRITE, 0);
  }
  bool pending() const {
    return assigned_ && event_pending(&event_, EV_READ | EV_WRITE | EV_TIMEOUT | EV_SIGNAL, nullptr) != 0;
  }

 private:
  // Every callback of a loop passes here, so that the loop knows how long its rounds take.
  static void fired(evutil_socket_t fd, short what, void* self) noexcept;

  struct event event_{};
  EventLoop* loop_ = nullptr;
  Callback callback_ = nullptr;
  void* argument_ = nullptr;
  bool assigned_ = false;
};

}  // namespace impulse::net
