// Errors as JSON, in the shape SparkPost's clients know:
//   {"errors":[{"message":"…","code":"…","description":"…","field":"…"}]}
#pragma once

#include "http/message.h"

#include <span>
#include <string>
#include <string_view>

namespace impulse::http {

struct ErrorItem {
  std::string code;           // a stable word or number
  std::string message;        // what is wrong
  std::string description{};  // what it means and what to do; empty: left out
  std::string field{};        // which field of the request: "recipients[3].address"; empty: left out
};

// Whatever the texts hold, what comes out is valid JSON in UTF-8 (bytes that are
// not become U+FFFD), without a line end.
std::string errors_json(std::span<const ErrorItem> errors);
void append_json_string(std::string& out, std::string_view text);  // quoted and escaped

// With Content-Type: application/json.
Response error_response(int status, std::span<const ErrorItem> errors);
Response error_response(int status, ErrorItem error);

}  // namespace impulse::http
