// Submission: one message handed to the server.
//
// The pieces of the SMTP engine's client are used here, not
// smtp::ClientSession itself: that takes the message as one string and encodes
// it into another, while a command that anybody calls with anything on its
// standard input has to do with little memory; and it has no second
// transaction for the recipients that a server did not want in the first.
#pragma once

#include "console/sendmail/body.h"
#include "console/sendmail/dialogue.h"
#include "console/sendmail/failure.h"
#include "smtp/client_envelope.h"

#include <string>
#include <vector>

namespace impulse::sendmail {

struct Letter {
  smtp::Job envelope;  // its trace and body are not used
  std::string header;  // with the empty line behind, any line ends
  const Body& body;
};

struct Refused {
  std::string recipient;
  smtp::Reply reply;
};

struct Submitted {
  size_t taken = 0;  // recipients for whom the server has made the message durable
  std::vector<Refused> refused;
};

// Says HELLO as `name` and sends the letter, in as many transactions as the
// server's limit of recipients wants. Fails when it was taken for nobody
// because of something other than the recipients; where a later transaction
// fails, its recipients are refused.
Outcome<Submitted> submit(Dialogue& dialogue, const std::string& name, const Letter& letter);

// The status of sysexits.h for what the server said.
int status_of(const smtp::Reply& reply);

}  // namespace impulse::sendmail
