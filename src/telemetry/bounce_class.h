// What kind of failure a reply is, in Momentum's bounce classification codes: by
// the table bounce_class.def, and nothing beyond it.
#pragma once

#include "telemetry/record.h"

#include <cstdint>
#include <string_view>

namespace impulse::telemetry {

struct BounceClass {
  uint16_t code = 0;
  std::string_view name;      // "Invalid Recipient"
  std::string_view category;  // "Hard", "Soft", "Block", "Admin", "Undetermined"
};

// Of a record that is no reception and no delivery.
const BounceClass& classify(const Record& record);

// A reply taken apart: "550 5.1.1 unknown" and, where it was not a reply of the
// other side, "5.4.7 [internal] …".
struct ReplyParts {
  int code = 0;             // 0: none
  std::string_view status;  // "5.1.1"; empty: none
  std::string_view text;    // the rest
};
ReplyParts parts_of(std::string_view response);
// The enhanced status code of a record: that of the reply; or where there was none what is
// known else, if it is of the kind, for now or for good. Empty: none.
std::string_view status_of(const Record& record);

}  // namespace impulse::telemetry
