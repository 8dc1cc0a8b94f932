// What tests of addresses share.
#pragma once

#include "message/address.h"

#include <string>
#include <string_view>

namespace impulse::message::test {

inline std::string repeat(std::string_view text, size_t count) {
  std::string out;
  while (count-- > 0) out += text;
  return out;
}

inline std::string_view word(AddressFault fault) {
  switch (fault) {
    case AddressFault::syntax:
      return "syntax";
    case AddressFault::too_long:
      return "too long";
    case AddressFault::ip_literal:
      return "literal";
    case AddressFault::not_ascii:
      return "not ascii";
  }
  return "?";
}

}  // namespace impulse::message::test
