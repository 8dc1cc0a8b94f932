// A message that came whole: passed on as it is, or filled as the API it came
// by does it. Line ends become CRLF in any case; a NUL is refused.
#pragma once

#include "compose/composer.h"

#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace impulse::compose {

enum class RawFilling : uint8_t {
  nothing,
  // Header section and body are templates as they stand (KumoMTA). A block
  // cannot begin in one and end in the other.
  whole,
  // Fields of the header section, and the texts of the first text/plain and
  // text/html part (SparkPost). What has no {{ in it stays byte for byte.
  texts,
};

// `field`: the message's name in the request. Borrows nothing.
std::expected<std::unique_ptr<Composer>, Fault> compose_raw(std::string_view message, RawFilling filling,
                                                            Dialect dialect, std::string field);

// The address of the From field of a message with CRLF line ends; empty: there
// is none, or none that can be read.
std::string from_address(std::string_view message);

}  // namespace impulse::compose
