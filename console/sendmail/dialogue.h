// Dialogue: commands and replies of one SMTP session over a blocking socket.
#pragma once

#include "base/fd.h"
#include "console/sendmail/failure.h"
#include "smtp/client_session.h"
#include "smtp/reply_parser.h"

#include <chrono>
#include <string>
#include <string_view>

namespace impulse::sendmail {

class Dialogue {
 public:
  // `verbose`: commands and replies are shown on standard error.
  Dialogue(UniqueFd fd, bool verbose) : fd_(std::move(fd)), verbose_(verbose) {}

  // Waits as long as RFC 5321 §4.5.3.2 has it; EX_TEMPFAIL when the server is
  // gone or takes no more.
  Outcome<> command(std::string_view line);  // without CRLF
  Outcome<> send(std::string_view bytes);    // of a message
  void note(std::string_view text) const;    // for who wants it verbose

  // EX_TEMPFAIL when none comes, EX_PROTOCOL when it is nonsense.
  Outcome<smtp::ParsedReply> parsed_reply(std::chrono::seconds patience);
  Outcome<smtp::Reply> reply(std::chrono::seconds patience);

 private:
  UniqueFd fd_;
  bool verbose_;
  smtp::ReplyParser parser_{4096, 128};
  std::string unread_;
};

}  // namespace impulse::sendmail
