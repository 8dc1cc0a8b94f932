// The envelope: who sent a message, to whom, and what was said about it on
// the way in (RFC 5321 §2.3.1).
#pragma once

#include "base/clock.h"
#include "base/ip.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::message {

// BODY= of RFC 6152 and RFC 3030.
enum class BodyType : uint8_t { seven_bit = 0, eight_bit_mime = 1, binary_mime = 2 };

struct Recipient {
  // local-part@domain as the client wrote it (a source route is dropped, case
  // and quoting are kept); just "postmaster" when it came without a domain.
  std::string address;

  friend bool operator==(const Recipient&, const Recipient&) = default;
};

struct Envelope {
  std::string sender;  // as Recipient::address; empty for the null sender <>
  std::vector<Recipient> recipients;
  BodyType body_type = BodyType::seven_bit;
  bool smtputf8 = false;
  WallTime received{};      // when the message was accepted
  IpAddress client;         // the peer; loopback for Unix sockets
  std::string client_helo;  // what it called itself
  std::string listener;     // canonical name of the Listen it came by; empty for our own mail (DSNs)

  friend bool operator==(const Envelope&, const Envelope&) = default;
};

// The domain of an address, lower-cased, without brackets changed; "localhost"
// when it has none (bare postmaster). The last '@' outside a quoted string counts.
std::string domain_of(std::string_view address);
// The local part as written.
std::string_view local_part_of(std::string_view address);

}  // namespace impulse::message
