// The Received field (RFC 5321 §4.4, protocol words of RFC 3848 and RFC 6531),
// and the date that closes it (RFC 5322 §3.3). Whatever a client said is made
// harmless here: it ends no line, no comment and no clause.
#pragma once

#include "base/clock.h"
#include "base/ip.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::message {

// What makes the word behind `with` (RFC 3848 §2, RFC 6531 §4.3).
struct SessionTraits {
  bool lmtp = false;
  bool extended = true;  // EHLO; false: HELO
  bool tls = false;
  bool authenticated = false;
  bool utf8 = false;  // the transaction is one of SMTPUTF8
};

// "SMTP", "ESMTP", "ESMTPSA", "LMTPS", "UTF8SMTPA", "UTF8LMTP"… A session
// after HELO is SMTP, unless what it did (TLS, AUTH) needs EHLO.
std::string_view with_word(const SessionTraits& traits);

struct ReceivedInfo {
  std::string_view helo;  // what the client called itself; anything, it is made harmless here
  std::string_view name;  // the client's name by DNS, or XCLIENT NAME=; empty: unknown
  IpAddress client;
  bool unix_socket = false;    // then there is no client address to name
  std::string_view user;       // who authenticated; empty: not to be told
  std::string_view by;         // our name
  std::string_view protocol;   // as with_word() says
  std::string_view tls;        // "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty without TLS
  unsigned tls_bits = 0;       // of the cipher's key; 0: not told
  std::string_view recipient;  // only when there is exactly one: two would tell each of the other
  bool utf8 = false;           // the transaction is one of SMTPUTF8: the field may hold UTF-8 (RFC 6531 §3.7.3)
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
