// Indexing: what was in the spool before the start comes into the queue while
// new mail is taken already; not faster than the delivery loop can do beside
// what else it has to.
#pragma once

#include "base/clock.h"
#include "delivery/dispatcher.h"
#include "spool/spool.h"
#include "telemetry/log.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace impulse::server {

class Indexing {
 public:
  // `ended` is called once, on another thread: what is told of it in one line, or why what is not indexed yet cannot
  // be; not after stop(). The others are borrowed, and outlive the spool.
  Indexing(spool::Spool& spool, telemetry::Log& log, std::function<void(Result<std::string>)> ended)
      : spool_(spool), log_(log), ended_(std::move(ended)) {}

  // Begins; `dispatcher` has to be there until stop().
  void begin(delivery::Dispatcher& dispatcher);
  // From now on the dispatcher is told nothing more. Any thread; does not wait for the spool to have noticed.
  void stop();

 private:
  void queue(std::vector<spool::Summary> messages);
  void taken_in();
  void wait_until_taken_in();
  void ended(const Result<>& result, const spool::RecoveryReport& report);

  spool::Spool& spool_;
  telemetry::Log& log_;
  const std::function<void(Result<std::string>)> ended_;
  SteadyTime begun_{};
  std::mutex mutex_;
  std::condition_variable room_;
  delivery::Dispatcher* dispatcher_ = nullptr;  // null: stopped
  size_t under_way_ = 0;                        // posted, and not taken in yet
};

// "reading what was there: 3 of 12 segments (25 %)"; empty when it is done.
std::string text_of(const spool::Indexing& indexing);

}  // namespace impulse::server
