// From a message and its envelope to what the spool takes: checked and mended
// as one that comes by SMTP is, with our trace field in front.
#pragma once

#include "api/job.h"
#include "message/envelope.h"

#include <expected>
#include <string>
#include <string_view>

namespace impulse::api {

struct Submission {
  const Call& call;
  const Policy& policy;
  std::string_view field;   // of the request that the message came in, for errors
  std::string_view unique;  // letters, digits, '.' and '-'
  bool trace = true;        // false: no Received field, whatever the policy says
};

std::string_view protocol_of(const Call& call);  // "HTTP", "HTTPS"

// The connection's side of an envelope: client, user, tenant, context …
message::Envelope envelope_of(const Call& call, const Policy& policy);
// Sets one pair of a context: the last one that is said of a name stands.
void set_context(message::Envelope& envelope, std::string name, std::string value);

// `envelope` has sender, recipients and what the request said; body_type,
// smtputf8 and tls_optional are found here. `message` is in CRLF lines.
std::expected<spool::Incoming, Error> submit(std::string_view message, message::Envelope envelope,
                                             const Submission& submission);

// An envelope sender or recipient. invalid, or unsafe: it holds a control character.
std::expected<std::string, Error> envelope_address(std::string_view text, std::string field, const Policy& policy);
// The same, or "" and "<>" for the null sender; and whether the client may send by it.
std::expected<std::string, Error> envelope_sender(std::string_view text, std::string field, const Call& call,
                                                  const Policy& policy);

// Unlike that of any other message: for Message-ID.
std::string unique_name(const Call& call, size_t index);

}  // namespace impulse::api
