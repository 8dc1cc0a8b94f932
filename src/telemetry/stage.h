// Stage: how far a connection to a next host had come when something was
// decided, in Momentum's numbers. "During" a command: it has not left here in
// full; "after" it: its reply is waited for, or has come.
#pragma once

#include <cstdint>
#include <string_view>

namespace impulse::telemetry {

enum class Stage : uint8_t {
  not_connected = 0,
  idle = 1,
  during_mail = 2,
  after_mail = 3,
  during_rcpt = 4,
  after_rcpt = 5,
  during_data = 6,
  after_data = 7,
  body = 8,          // being sent
  confirmation = 9,  // of the body
  during_ehlo = 10,
  after_ehlo = 11,
  banner = 12,
  during_rset = 13,
  after_rset = 14,
  during_starttls = 15,
  after_starttls = 16,
  tls_handshake = 17,
  out_of_band = 21,  // another host had taken the message, and reported later
  unknown = 22,      // no connection was asked for: a Maildir, an expiry
};

// The command whose reply it was: "MAIL FROM", "RCPT TO", "DATA", "." … Empty: of none.
constexpr std::string_view command_of(Stage stage) {
  switch (stage) {
    case Stage::after_mail:
      return "MAIL FROM";
    case Stage::after_rcpt:
      return "RCPT TO";
    case Stage::after_data:
      return "DATA";
    case Stage::confirmation:
      return ".";
    case Stage::after_ehlo:
      return "EHLO";
    case Stage::after_rset:
      return "RSET";
    case Stage::after_starttls:
      return "STARTTLS";
    default:
      return {};
  }
}

}  // namespace impulse::telemetry
