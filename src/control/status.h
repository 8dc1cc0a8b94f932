// Status: the last line of every reply, and the exit status of ec_console.
// The codes are fixed for good (doc/control-protocol.md).
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::control {

enum class Code : uint8_t {
  ok = 0,
  failed = 1,  // or invalid
  usage = 2,   // or an unknown command
  not_found = 3,
  conflict = 4,
  degraded = 5,  // applied, but something could not be completed
  denied = 6,
  busy = 7,
};

std::string_view to_string(Code code);  // "ok", "failed", "usage", "not-found", …
Code code_of(Errc error);

struct Status {
  Code code = Code::ok;
  std::string word;                                         // empty: to_string(code)
  std::vector<std::pair<std::string, std::string>> fields;  // key=value, in order

  Status& with(std::string key, std::string value);
  Status& with(std::string key, uint64_t value);
  // "=0 ok gen=12 changes=1 @tag", without a line end.
  std::string to_line(std::string_view tag) const;
};

}  // namespace impulse::control
