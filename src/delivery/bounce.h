// Bounce: the report that tells a sender what became of a message (RFC 3464
// in RFC 6522's multipart/report; RFC 6533 where there is UTF-8 to tell).
#pragma once

#include "delivery/route.h"
#include "spool/spool.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::delivery {

// `delivered` into a Maildir; `relayed` to a host that does not report itself.
enum class Action : uint8_t { failed, delayed, delivered, relayed };

// Of an original that goes back whole, bytes. Messages come in as streams; a report is
// made in memory, and the spool has to take it in one piece, or its recipient
// would fail, and be reported, for ever.
constexpr uint64_t max_original_part = 8 << 20;

// What a report says of one recipient.
struct ReportLine {
  std::string recipient;
  std::string status;            // RFC 3463: "5.1.1"
  std::string reason;            // one line for people
  std::string remote;            // name of the host that refused; empty: it was us
  std::string diagnostic;        // what it said; empty when nobody said anything
  uint32_t number = UINT32_MAX;  // in the envelope, where its ORCPT stands; UINT32_MAX: nowhere
};

// The report on recipients of one message, addressed to its sender (which must
// not be null), itself with the null sender. `serial` makes its Message-ID and
// boundary unique; `retry_until` is told with Action::delayed, if it is set.
// Only a failure brings the whole message back: where RET says so, or the
// route; and never one of more than max_original_part, or with a rest, nor a binary one,
// which could not go back by most ways, nor that of a message with REQUIRETLS, as the way back need not be a safe one
// (RFC 8689 §5). Nothing comes back of an original without trace and body: it cannot be read.
spool::Incoming make_bounce(const spool::Stored& original, std::string_view id, const std::vector<ReportLine>& lines,
                            const Route& route, uint64_t serial, WallTime now, Action action = Action::failed,
                            WallTime retry_until = {});

// The enhanced status at the head of a reply's text ("5.1.1 No such user"), or
// one made of its code; always of class 5 or 4 as the code is.
std::string status_of(const smtp::Reply& reply);

}  // namespace impulse::delivery
