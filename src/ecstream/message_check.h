// What a message has to pass before its body is looked at: its addresses, the
// values of its fields, who may send it where. Facts in, an envelope or a
// refusal out.
#pragma once

#include "base/clock.h"
#include "ecstream/envelope_codec.h"
#include "ecstream/policy.h"
#include "ecstream/stream_memory.h"
#include "message/envelope.h"

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::ecstream {

struct MessageRefusal {
  int code = 0;
  std::string_view enhanced{};
  std::string_view cause{};  // literals, both
  std::string text;
  uint32_t recipient = Refused::message_itself;
};

struct CheckContext {
  const Policy& policy;
  bool tls = false;
  WallTime now{};
  std::string_view user{};  // who authenticated; empty: nobody
  // Who may send where; nothing: it is taken. Asked for each recipient with a domain.
  const std::function<std::optional<MessageRefusal>(std::string_view sender, std::string_view recipient)>& admit;
};

// The envelope as far as the client says it; where it came from is not filled in.
std::expected<message::Envelope, MessageRefusal> check_message(DecodedHead decoded, const CheckContext& context);

}  // namespace impulse::ecstream
