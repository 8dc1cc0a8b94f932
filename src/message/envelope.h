// The envelope: who sent a message, to whom, and what was said about it on
// the way in (RFC 5321 §2.3.1).
#pragma once

#include "base/clock.h"
#include "base/ip.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::message {

// BODY= of RFC 6152 and RFC 3030.
enum class BodyType : uint8_t { seven_bit = 0, eight_bit_mime = 1, binary_mime = 2 };

// RET= of RFC 3461 §4.3: how much of the message comes back with a failure report.
enum class Ret : uint8_t { not_given = 0, full = 1, hdrs = 2 };

// NOTIFY= of RFC 3461 §4.1, the bits of Recipient::notify. `never` stands alone.
namespace notify {
constexpr uint8_t never = 1;
constexpr uint8_t success = 2;
constexpr uint8_t failure = 4;
constexpr uint8_t delay = 8;
}  // namespace notify

struct Recipient {
  // local-part@domain as the client wrote it (a source route is dropped, case
  // and quoting are kept); just "postmaster" when it came without a domain.
  std::string address;
  uint8_t notify = 0;   // bits of message::notify; 0: not given
  std::string orcpt{};  // ORCPT= (RFC 3461 §4.2) as given, type and xtext: "rfc822;a+2Bb@c"; empty: not given

  friend bool operator==(const Recipient&, const Recipient&) = default;
};

// BY= of RFC 2852 §4, the seconds already added to the time of arrival.
struct DeliverBy {
  WallTime deadline{};  // the epoch: not given
  char mode = 'N';      // 'R': give up and return it then; 'N': notify, and go on
  bool trace = false;   // 'T': the sender wants to hear when it is relayed beyond

  bool given() const { return deadline != WallTime{}; }
  friend bool operator==(const DeliverBy&, const DeliverBy&) = default;
};

struct Envelope {
  std::string sender;  // as Recipient::address; empty for the null sender <>
  std::vector<Recipient> recipients;
  BodyType body_type = BodyType::seven_bit;
  bool smtputf8 = false;  // RFC 6531 §3.4

  // What MAIL said besides.
  Ret ret = Ret::not_given;
  bool require_tls = false;   // REQUIRETLS (RFC 8689 §4): only over TLS, to hosts that do the same
  bool tls_optional = false;  // header field "TLS-Required: No" (RFC 8689 §5); require_tls outweighs it
  int8_t priority = 0;        // MT-PRIORITY (RFC 6710 §4), -9 to 9; 0: not given, or normal
  std::string envid;          // ENVID= (RFC 3461 §4.4), xtext as given; empty: not given
  std::string auth;           // AUTH= (RFC 4954 §5): mailbox, decoded from xtext, or "<>"; empty: not given
  WallTime hold_until{};      // FUTURERELEASE (RFC 4865 §4): not before then; the epoch: not given
  DeliverBy deliver_by{};

  // Where it came from.
  WallTime received{};       // when the message was accepted
  IpAddress client;          // the peer; loopback for Unix sockets
  uint16_t client_port = 0;  // 0: unknown, or a Unix socket
  std::string client_name;   // its name by DNS, or XCLIENT NAME=; empty: unknown
  std::string client_helo;   // what it called itself
  std::string listener;      // canonical name of the Listen it came by; empty for our own mail (DSNs)
  std::string user;          // who authenticated (RFC 4954), or whom the certificate names; empty: nobody
  std::string tenant;        // whose credentials, counters and queues; empty: none
  std::string binding;       // the Binding by which it goes out; empty: "default"
  // Connection context (Context, XSETCONTEXT), in order of setting; names are unique.
  std::vector<std::pair<std::string, std::string>> context;
  std::string protocol;  // by which it came: "ESMTPS", "HTTP", "INTERNAL" …; empty: not known
  // Fields of its header section that the logs were to have when it came (Jsonlog_Headers), as
  // telemetry::chosen_headers() gives them.
  std::vector<std::pair<std::string, std::string>> headers;

  friend bool operator==(const Envelope&, const Envelope&) = default;
};

// An address of it goes beyond ASCII. Unless that, or the message's header
// section does (HeaderFacts::eight_bit), a message of an SMTPUTF8 transaction
// needs no SMTPUTF8 on its way.
bool has_utf8_address(const Envelope& envelope);

// The domain of an address as ascii_domain() has it (lower case, A-labels),
// brackets kept; "localhost" when it has none (bare postmaster). The last '@'
// outside a quoted string counts.
std::string domain_of(std::string_view address);
// The local part as written.
std::string_view local_part_of(std::string_view address);

}  // namespace impulse::message
