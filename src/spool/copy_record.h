// The copy record: a message that was copied from a segment that shall go. It
// keeps its id, and brings along how its recipients stood.
#pragma once

#include "base/id.h"
#include "spool/spool.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool {

// In front of the message's own metadata.
struct CopyRecord {
  MessageId id;
  std::vector<RecipientState> states;  // empty: all pending and never tried

  // Appends it.
  void encode(std::string& out) const;
  // `size`: of what was encoded; what follows is the message's metadata.
  static std::optional<CopyRecord> decode(std::string_view metadata, size_t& size);
};

}  // namespace impulse::spool
