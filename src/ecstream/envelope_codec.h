// The envelope as it stands in a MESSAGE (doc/ecstream.md §7): fields in, facts
// out, and the way back. What the values mean, and whether they can be, is
// message_check.h's affair.
#pragma once

#include "base/result.h"
#include "message/envelope.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::ecstream {

struct MessageHead {
  std::string sender;
  std::vector<message::Recipient> recipients;
  message::BodyType body_type = message::BodyType::seven_bit;
  bool smtputf8 = false;
  message::Ret ret = message::Ret::not_given;
  std::string envid;
  std::string auth;  // address, or "<>"; empty: not given
  struct By {
    int32_t seconds = 0;
    char mode = 'N';
    bool trace = false;
    friend bool operator==(const By&, const By&) = default;
  };
  std::optional<By> deliver_by{};
  std::optional<uint32_t> hold_for{};    // seconds
  std::optional<uint64_t> hold_until{};  // seconds since 1970
  int8_t priority = 0;
  bool require_tls = false;
  std::optional<uint64_t> size{};  // of the body
  std::vector<std::pair<std::string, std::string>> context{};

  friend bool operator==(const MessageHead&, const MessageHead&) = default;
};

// Errc::invalid: something is longer than its field can be.
Result<std::string> encode(const MessageHead& head);

// Puts another number of seconds into what encode() made of a head with deliver_by; false: it has none.
bool set_deliver_by(std::string& fields, int32_t seconds);

enum class EnvelopeFault : uint8_t {
  none,
  layout,         // GOAWAY malformed
  unknown_field,  // NAK 555
  twice,          // NAK 501: a field, or a context key
  value,          // NAK 501: of another length, or out of range
  no_sender,      // NAK 501
};
struct DecodedHead {
  MessageHead head;
  EnvelopeFault fault = EnvelopeFault::none;  // the first; `layout` counts before all others
  uint8_t tag = 0;                            // what it is about
};
DecodedHead decode_envelope(std::string_view fields);

constexpr size_t max_context = 100;

}  // namespace impulse::ecstream
