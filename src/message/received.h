// The Received field (RFC 5321 §4.4, protocol words of RFC 3848), and the
// date that closes it (RFC 5322 §3.3).
#pragma once

#include "base/clock.h"
#include "base/ip.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::message {

struct ReceivedInfo {
  std::string_view helo;  // what the client called itself; anything, it is made harmless here
  IpAddress client;
  bool unix_socket = false;    // then there is no client address to name
  std::string_view by;         // our name
  std::string_view protocol;   // "SMTP", "ESMTP", "ESMTPS"
  std::string_view tls;        // "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty without TLS
  std::string_view recipient;  // only when there is exactly one: two would tell each of the other
  WallTime when{};
};

struct TraceField {
  std::string text;        // folded with CRLF HTAB, CRLF at the end
  uint32_t id_offset = 0;  // where the message id belongs
};

TraceField received_field(const ReceivedInfo& info);

// "Tue, 21 Nov 2023 09:05:00 +0000".
std::string mail_date(WallTime when);

// What a stranger said, fit for a structured field: letters, digits and
// ".-_:[]" stay, all else becomes '?', and it ends after 255 octets.
std::string harmless_name(std::string_view name);

}  // namespace impulse::message
