// Resolver: addresses of a Gateway's name, from the system's resolver on
// helper threads, with a short cache.
#pragma once

#include "base/ip.h"
#include "base/result.h"
#include "net/loop.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace impulse::delivery {

// Blocking; getaddrinfo in the daemon, a fake in tests.
using Lookup = std::function<Result<std::vector<IpAddress>>(const std::string& name)>;
Result<std::vector<IpAddress>> system_lookup(const std::string& name);

class Resolver {
 public:
  using Answer = std::function<void(const Result<std::vector<IpAddress>>&)>;

  Resolver(net::Loop& loop, Lookup lookup = system_lookup);
  ~Resolver();  // no answer comes after this; a look-up that hangs is left to end by itself
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Loop thread. `answer` comes later, on the loop. Good answers are kept for
  // a minute, bad ones for five seconds; who asks for a name that is being
  // looked up shares its answer.
  void resolve(const std::string& name, Answer answer);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace impulse::delivery
