// Turns: a mutex that who needs it for long gives to others in between. Only to
// let go of a std::mutex and take it again does not: who waits is not awake
// before it is taken.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>

namespace impulse::spool {

class Turns {
 public:
  void lock() {
    ++waiting_;
    mutex_.lock();
    --waiting_;
  }
  void unlock() { mutex_.unlock(); }
  // By who has it: those who wait have it first; but nobody waits for ever.
  void give_way() {
    ++offered_;
    if (waiting_ == 0) return;
    unlock();
    for (int i = 0; waiting_ > 0 && i < most_yields; ++i) std::this_thread::yield();
    lock();
  }
  unsigned waiting() const { return waiting_; }
  uint64_t offered() const { return offered_; }  // how often it would have been let go

 private:
  static constexpr int most_yields = 100000;
  std::mutex mutex_;
  std::atomic<unsigned> waiting_ = 0;
  std::atomic<uint64_t> offered_ = 0;
};

}  // namespace impulse::spool
