// Responses as bytes: the owner's fields, and those that only the engine knows.
#pragma once

#include "base/clock.h"
#include "http/message.h"

#include <string>
#include <string_view>

namespace impulse::http {

struct ResponseFrame {
  WallTime now{};
  std::string_view server{};      // the Server field; empty: none
  std::string_view id{};          // X-Request-Id
  std::string_view connection{};  // "close", "keep-alive" for HTTP/1.0; empty: no such field
  bool without_body = false;      // HEAD: its length is told, it is not sent
};

void append_response(std::string& out, const Response& response, const ResponseFrame& frame);

}  // namespace impulse::http
