// Composer: what a request says of its message, compiled once, and made into
// one message for each recipient.
#pragma once

#include "base/clock.h"
#include "compose/mailbox.h"
#include "compose/template.h"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::compose {

// Why a message cannot be made.
struct Fault {
  enum class Kind : uint8_t {
    template_syntax,  // reason has line and column
    unsafe,           // a line break or another control character where a header field or the envelope is made
    invalid,          // not an address, not a content type, not base64 …
    too_large,
    unsupported,
  };
  Kind kind = Kind::invalid;
  std::string field;  // as the request names it: content.headers.X-Tag
  std::string reason;
};

// Of a text that cannot be filled.
inline Fault::Kind kind_of(const TemplateError& error) {
  if (error.unsafe) return Fault::Kind::unsafe;
  return error.too_large ? Fault::Kind::too_large : Fault::Kind::invalid;
}

// For whom, and when.
struct Occasion {
  const Scope& values;
  std::vector<Mailbox> to{};          // of a To field, where the composer makes one; empty: it makes none
  WallTime now{};                     // of a Date field
  std::string_view unique{};          // unlike any other; letters, digits, '.' and '-': for Message-ID and boundaries
  std::string_view hostname{};        // ours, in Message-ID
  size_t max_size = size_t{1} << 30;  // bytes of a message
};

struct Composed {
  std::string message;  // header section and body, all lines in CRLF, none over 998 octets that we made
  std::string from;     // the address of its From field; empty: it has none that can be read
};

// Immutable: any thread.
class Composer {
 public:
  virtual ~Composer() = default;
  virtual std::expected<Composed, Fault> compose(const Occasion& occasion) const = 0;
  // Composed::from, before anything is made; empty as well where only making it tells.
  virtual std::string from(const Occasion&) const { return {}; }
};

}  // namespace impulse::compose
