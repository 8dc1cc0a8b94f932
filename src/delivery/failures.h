// Failures: domains of which everything that is active has failed, with one
// outcome for all of it. In slices, so that a long queue does not hold up the
// loop. Loop thread.
#pragma once

#include "delivery/ledger.h"
#include "delivery/office.h"
#include "net/loop.h"

#include <map>
#include <memory>
#include <string>

namespace impulse::delivery {

class Failures {
 public:
  explicit Failures(Office& office);
  Failures(const Failures&) = delete;
  Failures& operator=(const Failures&) = delete;

  // What is active of the domain now; nothing when the office is stopping. The newest outcome holds.
  void add(const std::string& domain, Outcome outcome, Attempt attempt);
  // Whether some of it is still to be failed: nothing else is to be tried for it.
  bool contains(const std::string& domain) const { return failing_.contains(domain); }
  // What is left of it may be tried after all.
  void drop(const std::string& domain) { failing_.erase(domain); }
  void stop();

 private:
  struct Failing {
    Outcome outcome;
    Attempt attempt;
  };

  void later();
  void run();

  Office& office_;
  std::map<std::string, Failing> failing_;
  std::string last_;
  net::Timer reading_;  // before more messages are failed
  bool posted_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace impulse::delivery
