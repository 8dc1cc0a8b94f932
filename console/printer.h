// Printer: replies on their way to a person or a pipe: payload to one stream,
// everything else to the other.
#pragma once

#include "console/ectl_client.h"

#include <cstdio>
#include <string>

namespace impulse::console {

class Printer {
 public:
  // Borrowed streams. What goes to a terminal is made safe first: a daemon
  // that one has been lured to cannot send it escape sequences.
  Printer(std::FILE* out, std::FILE* err, bool out_is_terminal, bool err_is_terminal)
      : out_(out), err_(err), out_is_terminal_(out_is_terminal), err_is_terminal_(err_is_terminal) {}

  void payload(const std::string& text);
  void notice(const ReplyLine& line);
  void error(const std::string& text);
  void status(const ReplyLine& line);  // for people: "[unchanged gen=11]"
  // False: what was said could not be written (a full disk, a closed pipe).
  bool flush();

 private:
  std::FILE* out_;
  std::FILE* err_;
  bool out_is_terminal_;
  bool err_is_terminal_;
};

// Reads the reply to what was sent, and prints it. The last line is the
// answer; `talkative` shows it when nothing else was said.
Outcome<ReplyLine> print_reply(Client& client, Printer& printer, bool talkative);

}  // namespace impulse::console
