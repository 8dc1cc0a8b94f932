// AcceptQueue: the connections that one listening socket has accepted and that
// no loop has begun to serve yet. With a bound (Accept_Queue_Backlog) accepting
// pauses while so many wait: more of them wait in the kernel (Listen_Backlog).
#pragma once

#include "net/loop.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

namespace impulse::server {

class AcceptQueue : public std::enable_shared_from_this<AcceptQueue> {
 public:
  // The place of one connection; it is given back once. Any thread.
  class Turn {
   public:
    Turn() = default;
    Turn(Turn&& other) noexcept = default;
    Turn& operator=(Turn&& other) noexcept;
    ~Turn() { has_come(); }
    void has_come();  // the connection is being served, or gone

   private:
    friend class AcceptQueue;
    explicit Turn(std::shared_ptr<AcceptQueue> queue) : queue_(std::move(queue)) {}
    std::shared_ptr<AcceptQueue> queue_;  // null: it waits for nothing
  };

  // These four on the accepting loop's thread, or while nobody accepts.

  // `start` begins to accept, at once if there is room, and after each `stop`,
  // which may come in the middle of an accept. The loop outlives close().
  void open(net::Loop& loop, std::function<void()> start, std::function<void()> stop);
  void close();
  void set_bound(uint64_t most);  // 0: none. Takes effect at once.
  Turn join();

  uint64_t waiting() const { return waiting_.load(std::memory_order_relaxed); }  // any thread

 private:
  bool full() const { return bound_ != 0 && waiting_.load() >= bound_; }
  void look();
  void leave();
  bool is_on(const net::Loop& loop);

  std::atomic<uint64_t> waiting_{0};
  // Who leaves has to wake the loop. Set before waiting_ is looked at again,
  // read after it was lowered: one of the two sees the other.
  std::atomic<bool> paused_{false};
  std::mutex mutex_;           // guards loop_
  net::Loop* loop_ = nullptr;  // null: closed
  uint64_t bound_ = 0;
  bool open_ = false;
  bool accepting_ = false;
  std::function<void()> start_;
  std::function<void()> stop_;
};

}  // namespace impulse::server
