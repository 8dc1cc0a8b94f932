// Failure: what can go wrong between a console and its daemon, and the exit
// status that says so (doc/ec_console.1).
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace impulse::console {

// Behind the protocol's status codes 0 to 7, the values of sysexits.h.
constexpr int exit_failed = 1;
constexpr int exit_usage = 2;
constexpr int exit_denied = 6;
constexpr int exit_unreachable = 69;
constexpr int exit_timeout = 75;

struct Failure {
  enum class Kind {
    unreachable,  // cannot connect, or the connection was lost
    foreign,      // something answers, but not ECTL/1
    timeout,      // no answer in time
    denied,       // the daemon will not talk to us
    interrupted,  // by the user (Ctrl-C)
    misuse,       // the request cannot be sent as it is
  };
  Kind kind = Kind::unreachable;
  std::string text;

  int exit_status() const {
    switch (kind) {
      case Kind::timeout:
        return exit_timeout;
      case Kind::denied:
        return exit_denied;
      case Kind::misuse:
        return exit_usage;
      case Kind::interrupted:
        return 128 + 2;  // as shells say of SIGINT
      case Kind::unreachable:
      case Kind::foreign:
        break;
    }
    return exit_unreachable;
  }
};

template <class T = void>
using Outcome = std::expected<T, Failure>;

inline std::unexpected<Failure> failed(Failure::Kind kind, std::string text) {
  return std::unexpected(Failure{kind, std::move(text)});
}

}  // namespace impulse::console
