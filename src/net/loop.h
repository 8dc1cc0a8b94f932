// Loop: one libevent base and the thread that runs it. A connection lives and
// dies on one loop; loops talk by posting closures. Closures given to a loop
// (posts, timers, watches) must not let exceptions out: the program ends.
// Whatever lives on a loop has to be destroyed before it.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>

struct event_base;

namespace impulse::net {

class Loop {
 public:
  // Errc::no_files when the kernel gives no descriptors.
  static Result<std::unique_ptr<Loop>> create(std::string name);
  virtual ~Loop() = default;

  // Runs until stop(); on the calling thread, which is the loop's from then on.
  virtual void run() = 0;
  // Any thread. What was posted before is still run; what comes later waits
  // for the next run(), or is destroyed, unrun, with the loop.
  virtual void stop() = 0;
  // Any thread: runs `work` on this loop's thread, in order of posting, not
  // before the current callback ends. One wake-up for many posts.
  virtual void post(std::function<void()> work) = 0;
  virtual bool in_loop_thread() const = 0;
  virtual const std::string& name() const = 0;
  virtual event_base* base() = 0;  // for net/ only
  // Sockets, timers and signals it waits for; loop thread.
  virtual size_t events() const { return 0; }
  // Time at the start of this round of callbacks; loop thread.
  virtual SteadyTime now() const = 0;

  // Sessions living here; whoever accepts picks the loop with the fewest.
  std::atomic<uint32_t> sessions{0};

  // The longest round of callbacks since somebody stored 0 here, in
  // microseconds: for so long nobody else was served. Any thread.
  std::atomic<int64_t> longest_round{0};
};

// A one-shot timer; libevent's common time-outs keep thousands with the same
// duration in O(1). Loop thread only. Destroying it cancels it; `fire` itself
// may do that.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> fire);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void start(Duration after);  // restarts when running
  void stop();
  bool running() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Calls `ready` on the loop's thread whenever `fd` may be read (level
// triggered), for as long as it lives. Borrows the descriptor, which must stay
// open until then. `ready` may destroy it.
class ReadWatch {
 public:
  ReadWatch(Loop& loop, int fd, std::function<void()> ready);
  ~ReadWatch();
  ReadWatch(const ReadWatch&) = delete;
  ReadWatch& operator=(const ReadWatch&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The same, whenever `fd` may be written to.
class WriteWatch {
 public:
  WriteWatch(Loop& loop, int fd, std::function<void()> ready);
  ~WriteWatch();
  WriteWatch(const WriteWatch&) = delete;
  WriteWatch& operator=(const WriteWatch&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Calls `caught` on the loop's thread for a Unix signal. libevent lets one
// loop of a process have signals: all of these belong on the same one.
class SignalWatch {
 public:
  SignalWatch(Loop& loop, int signal, std::function<void()> caught);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace impulse::net
