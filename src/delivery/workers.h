// Workers: a few threads for what blocks on a disk, so that the loop never does.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace impulse::delivery {

class Workers {
 public:
  explicit Workers(unsigned threads);
  ~Workers();  // what runs is waited for, what waits is dropped
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Any thread. In order of posting; `work` must not throw.
  void post(std::function<void()> work);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace impulse::delivery
