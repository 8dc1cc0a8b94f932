// Idempotency-Key: what the spool remembers of a request that carried one, so
// that the same request sent again is answered, and not carried out again.
#pragma once

#include "api/error.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "http/message.h"
#include "server/http_gate.h"
#include "spool/spool.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::server {

// Whose key it is: keys of different users do not meet. Those nobody knows are
// told apart by their address.
std::string idempotency_owner(const HttpCaller& caller, const IpAddress& client);
bool is_idempotency_key(std::string_view key);  // 1 to 255 visible characters of ASCII

// What makes two requests the same.
std::string request_digest(api::Style style, const http::Request& request);

// What is in the receipt's value.
struct Remembered {
  std::string digest;
  uint64_t number = 0;  // of the request that was carried out
  uint64_t messages = 0;
  std::string answer{};  // empty: it was too long
};
bool has_room_for(std::string_view answer);
// An answer without its lists, counts left as they are; it stays an answer of its style.
std::string shortened(const std::string& answer);
std::string to_value(const Remembered& remembered);
std::optional<Remembered> from_value(std::string_view value);  // none: it is none of ours

spool::Receipt make_receipt(std::string owner, std::string key, const Remembered& remembered, WallTime now);

}  // namespace impulse::server
