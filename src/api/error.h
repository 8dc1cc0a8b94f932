// What is answered to a request that is not taken: status, code, field and
// reason, as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::api {

enum class Fault : uint8_t {
  bad_json,         // 400: not JSON as RFC 8259 has it, or a name twice in one object
  bad_message,      // 400: no message (empty, no header section, NUL …)
  unsafe,           // 400: a control character on its way into a header field or the envelope
  no_recipients,    // 400: none of the recipients can be used
  missing,          // 422: a required field
  invalid,          // 422: wrong type or value
  unsupported,      // 422: a field, or a value of it, that we have not got
  template_syntax,  // 422
  too_large,        // 413
  media_type,       // 415
  refused,          // 403: this client may not send that
};

struct Error {
  Fault fault = Fault::invalid;
  std::string field;   // "recipients[3].address.email"; empty: the request as a whole
  std::string reason;  // one line, for people
};

// Whose shape of answers.
enum class Style : uint8_t { transmissions, inject, impulse };

int status_of(Fault fault);             // 400, 403, 413, 415, 422
std::string_view code_of(Fault fault);  // "bad_json", "missing_field" …; stable
// {"errors": [{"message", "code", "field", "description"}]}. Codes are
// SparkPost's numbers in answers to transmissions where it has one, else words.
std::string error_body(const Error& error, Style style);
// One object of that array.
std::string error_object(const Error& error, Style style);

}  // namespace impulse::api
