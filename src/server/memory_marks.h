// MemoryMarks: how much of its memory the machine, or our control group, has
// in use, against Memory_Goal and Memory_HWM. Looked at for every MAIL and
// DATA; the kernel is asked at most once a second.
#pragma once

#include "base/clock.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace impulse::server {

// Percent in use, of what is nearest to its end: all that limit us, and the
// machine. The page cache does not count, since it goes when memory is wanted.
// 0: the kernel does not say. `root` stands in front of /proc and /sys (tests).
unsigned memory_in_use(const std::string& root = {});

class MemoryMarks {
 public:
  struct Hooks {
    std::function<unsigned()> in_use = [] { return memory_in_use(); };
    std::function<void()> shrink = [] {};  // over the goal; at most every ten seconds
    std::function<void(bool full, unsigned percent)> tell = [](bool, unsigned) {};  // the high-water mark was crossed
  };
  explicit MemoryMarks(Hooks hooks) : hooks_(std::move(hooks)) {}

  // Whether no new work is to be taken. Any thread; one of them asks the kernel.
  bool full(int64_t goal, int64_t high_water, SteadyTime now);

 private:
  Hooks hooks_;
  std::atomic<int64_t> next_look_{INT64_MIN};  // microseconds of the steady clock
  std::atomic<int64_t> next_shrink_{INT64_MIN};
  std::atomic<unsigned> percent_{0};
  std::atomic<bool> full_{false};
};

}  // namespace impulse::server
