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
#include <utility>

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

  // A name that nobody else has as long as this lives; may outlive the desk.
  class Claim;
  std::shared_ptr<const Claim> claim(const std::string& name);  // null: somebody has it

 private:
  struct Claims {
    std::mutex mutex;
    std::unordered_set<std::string> names;
  };

  const uint64_t salt_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> last_{0};
  const std::shared_ptr<Claims> claims_ = std::make_shared<Claims>();
};

class HttpDesk::Claim {
 public:
  Claim(std::shared_ptr<Claims> claims, std::string name) : claims_(std::move(claims)), name_(std::move(name)) {}
  ~Claim() {
    const std::lock_guard lock(claims_->mutex);
    claims_->names.erase(name_);
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  const std::shared_ptr<Claims> claims_;
  const std::string name_;
};

}  // namespace impulse::server
