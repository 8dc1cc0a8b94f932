// Bounce: the report that tells a sender what could not be delivered
// (RFC 3464 in RFC 6522's multipart/report).
#pragma once

#include "delivery/route.h"
#include "spool/spool.h"

#include <string>
#include <string_view>
#include <vector>

namespace impulse::delivery {

// One recipient that was given up.
struct Failure {
  std::string recipient;
  std::string status;      // RFC 3463: "5.1.1"
  std::string reason;      // one line for people
  std::string remote;      // name of the host that refused; empty: it was us
  std::string diagnostic;  // what it said; empty when nobody said anything
};

// The report for failures of one message, addressed to its sender (which must
// not be null), itself with the null sender. `serial` makes its Message-ID and
// boundary unique.
spool::Incoming make_bounce(const spool::Stored& original, std::string_view id, const std::vector<Failure>& failures,
                            const Route& route, uint64_t serial, WallTime now);

// The enhanced status at the head of a reply's text ("5.1.1 No such user"), or
// one made of its code; always of class 5 or 4 as the code is.
std::string status_of(const smtp::Reply& reply);

}  // namespace impulse::delivery
