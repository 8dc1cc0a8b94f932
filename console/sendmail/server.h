// The connection to the server.
#pragma once

#include "base/fd.h"
#include "console/sendmail/failure.h"

#include <string>

namespace impulse::sendmail {

// A blocking socket. `place`: a path ("/…", "./…", "../…") or "host:port",
// "[address]:port". EX_USAGE when it is neither, EX_NOHOST when the host has no
// address, EX_NOPERM when we may not, EX_TEMPFAIL for all that may pass.
Outcome<UniqueFd> connect_to(const std::string& place);

// -bs: what comes on `in` goes to the server, and what it says to `out`, until
// it hangs up. EX_IOERR when `in` or `out` fails, EX_TEMPFAIL when the server does.
Outcome<> pass_through(int server, int in, int out);

}  // namespace impulse::sendmail
