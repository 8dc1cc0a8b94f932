// The command line of sendmail(1), as programs have written it for decades.
#pragma once

#include "console/sendmail/failure.h"
#include "message/envelope.h"

#include <optional>
#include <string>
#include <vector>

namespace impulse::sendmail {

struct Options {
  enum class Mode : uint8_t { mail, session, help, version };
  Mode mode = Mode::mail;
  std::string server;  // --server; empty: not given
  std::string domain;  // --domain; empty: not given
  std::optional<std::string> sender;
  std::optional<std::string> full_name;
  bool from_header = false;  // -t
  bool ignore_dots = false;  // -i
  bool verbose = false;
  uint8_t notify = 0;  // bits of message::notify
  message::Ret ret = message::Ret::not_given;
  std::string envid;  // xtext
  std::optional<message::BodyType> body;
  std::vector<std::string> recipients;  // as written
};

// Reads argv. A command name "mailq" is -bp, "newaliases" is -bi, as links of
// these names to sendmail are. Fails with EX_USAGE for what no sendmail knows
// or what makes no sense, EX_UNAVAILABLE for what other sendmails do and this
// one does not.
Outcome<Options> read_options(int argc, char** argv);

extern const char usage_text[];

}  // namespace impulse::sendmail
