// Reads the message from standard input, to its end, before anything is sent:
// a message that breaks off halfway is none.
#pragma once

#include "console/sendmail/body.h"
#include "console/sendmail/failure.h"
#include "console/sendmail/header.h"

namespace impulse::sendmail {

struct Message {
  Header header;
  Body body;
};

// `ignore_dots`: only the end of input ends it, not a line with only a dot.
// EX_IOERR when reading fails; what Header and Body fail with.
Outcome<Message> read_message(int fd, bool ignore_dots);

}  // namespace impulse::sendmail
