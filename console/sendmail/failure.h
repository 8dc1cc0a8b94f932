// How ec_sendmail fails: a status of sysexits.h, and what stands on standard error.
#pragma once

#include <sysexits.h>

#include <expected>
#include <string>
#include <utility>

namespace impulse::sendmail {

struct Failure {
  int status = EX_SOFTWARE;  // EX_USAGE, EX_DATAERR, …
  std::string text;          // one line, no full stop
};

template <class T = void>
using Outcome = std::expected<T, Failure>;

[[nodiscard]] inline std::unexpected<Failure> fail_with(int status, std::string text) {
  return std::unexpected(Failure{status, std::move(text)});
}

}  // namespace impulse::sendmail
