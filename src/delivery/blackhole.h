// Blackhole: mail that is accepted and dropped. No file, no connection: its
// outcome is journalled and logged, and that is all. Domains in turn, a slice
// at a time, no faster than the spool makes outcomes durable. Loop thread.
#pragma once

#include "delivery/office.h"

#include <deque>
#include <memory>
#include <string>
#include <unordered_set>

namespace impulse::delivery {

class Blackhole {
 public:
  explicit Blackhole(Office& office) : office_(office) {}
  Blackhole(const Blackhole&) = delete;
  Blackhole& operator=(const Blackhole&) = delete;

  // The domain has something active and is to be dropped.
  void want(const std::string& domain);
  void stop();

 private:
  void later();
  void drop_some();
  size_t drop(const std::string& domain);

  Office& office_;
  std::deque<std::string> wanting_;
  std::unordered_set<std::string> wanted_;
  size_t unwritten_ = 0;  // outcomes that are not durable yet
  bool posted_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace impulse::delivery
