// MessageId: where the spool keeps a message, and by that its name.
#pragma once

#include "base/result.h"

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace impulse {

// Unique for a spool's lifetime: segment numbers grow and are never used
// twice. Sortable by age. Printed as SSSSSSSS/OOOOOOOO-node (hexadecimal,
// upper case), which is an RFC 5322 atom, so that it may stand in a Received
// field as it is.
struct MessageId {
  uint32_t segment = 0;
  uint32_t offset = 0;  // of the message's record in its segment, bytes

  std::string to_string(std::string_view node) const;
  // Length of to_string() for a node name of that length.
  static size_t text_length(std::string_view node) { return 8 + 1 + 8 + 1 + node.size(); }
  // With or without "-node"; the node is not looked at.
  static Result<MessageId> parse(std::string_view text);

  friend auto operator<=>(const MessageId&, const MessageId&) = default;
  friend bool operator==(const MessageId&, const MessageId&) = default;
};

}  // namespace impulse

template <>
struct std::hash<impulse::MessageId> {
  size_t operator()(const impulse::MessageId& id) const noexcept {
    return std::hash<uint64_t>()(uint64_t{id.segment} << 32 | id.offset);
  }
};
