// Refusal: why a message, or a client that brings mail, is not wanted, in the
// words of RFC 5321 and RFC 3463, which every protocol can put into its own.
#pragma once

#include <string>
#include <string_view>

namespace impulse::message {

struct Refusal {
  int code = 0;                 // 4xx or 5xx; 421: the session ends by it
  std::string_view enhanced{};  // "4.3.1"; this and cause are literals
  std::string_view cause{};     // stable word for logs and counters: "admission", "auth_rate"
  std::string text;
};

}  // namespace impulse::message
