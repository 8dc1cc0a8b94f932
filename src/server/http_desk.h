// HttpDesk: what all HTTP sessions of the daemon share: numbers that no two
// requests have, and the Idempotency-Keys that are being worked on.
#pragma once

#include "base/clock.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

namespace impulse::server {

// Any thread.
class HttpDesk {
 public:
  HttpDesk();

  // Unlike that of any other request to this server, ever, unless the clock
  // goes back by more than the server was down.
  uint64_t number();

  // The daemon ends: health says so.
  void stop() { stopping_ = true; }
  bool stopping() const { return stopping_; }

  // A name that nobody else has as long as this lives.
  class Claim {
   public:
    Claim(HttpDesk& desk, std::string name) : desk_(desk), name_(std::move(name)) {}
    ~Claim() { desk_.leave(name_); }
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

   private:
    HttpDesk& desk_;
    const std::string name_;
  };
  std::unique_ptr<Claim> claim(const std::string& name);  // null: somebody has it

 private:
  void leave(const std::string& name);

  const uint64_t salt_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> last_{0};
  std::mutex mutex_;  // guards what follows
  std::unordered_set<std::string> claimed_;
};

}  // namespace impulse::server
