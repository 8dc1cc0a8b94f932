// EventLoop: what stands behind Loop, with the parts that only net/ uses.
#pragma once

#include "base/fd.h"
#include "net/event.h"
#include "net/loop.h"

#include <sys/time.h>

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <unordered_map>
#include <vector>

namespace impulse::net {

class EventLoop final : public Loop {
 public:
  // Takes a fresh base and an eventfd.
  EventLoop(std::string name, event_base* base, UniqueFd wake);
  ~EventLoop() override;
  // Every Loop with a base is one of these.
  static EventLoop& of(Loop& loop);

  Result<> start_watching();  // once, before anything else

  void run() override;
  void stop() override;
  void post(std::function<void()> work) override;
  bool in_loop_thread() const override;
  const std::string& name() const override { return name_; }
  event_base* base() override { return base_.get(); }
  size_t events() const override;
  SteadyTime now() const override;
  // A callback begins.
  void entered() {
    if (!in_round_) in_round_ = steady_now();
  }

  // Where connections of this loop read into; its content is valid during one callback.
  std::span<char> scratch() { return scratch_; }
  // Puts `event` on a one-shot time-out. Durations in common use share a
  bool add_timeout(Event& event, Duration after);

 private:
  struct BaseDeleter {
    void operator()(event_base* base) const;
  };
  void woken();
  void end_round();
  const timeval* common(int64_t microseconds, const timeval& value);

  std::string name_;
  std::unique_ptr<event_base, BaseDeleter> base_;
  UniqueFd wake_;
  std::vector<char> scratch_;
  std::atomic<std::thread::id> thread_{};

  std::mutex mutex_;  // guards posted_ and waking_
  std::vector<std::function<void()>> posted_;
  bool waking_ = false;

  struct Common {
    unsigned uses = 0;
    const timeval* queue = nullptr;  // libevent's handle, once there is one
  };
  std::unordered_map<int64_t, Common> durations_;
  unsigned queues_ = 0;

  mutable timeval round_{};  // libevent's time of the round that now_ belongs to
  mutable SteadyTime now_{};

  std::optional<SteadyTime> in_round_;  // since when callbacks have been run

  Event wake_event_;  // last: goes first
};

}  // namespace impulse::net
