// Printer: replies on their way to a person or a pipe: payload to one stream,
// everything else to the other.
#pragma once

#include "console/ectl_client.h"

#include <cstdio>
#include <string>
#include <string_view>

namespace impulse::console {

class Printer {
 public:
  // Borrowed streams. What goes to a terminal is made safe first: a daemon
  // that one has been lured to cannot send it escape sequences.
  Printer(std::FILE* out, std::FILE* err, bool out_is_terminal, bool err_is_terminal)
      : out_(out), err_(err), out_is_terminal_(out_is_terminal), err_is_terminal_(err_is_terminal) {}

  void colour(bool on) { colour_ = on && err_is_terminal_; }
  // Where payload goes from now on (a pager), and whether that shows it on a
  // terminal. Returns what was before.
  std::FILE* redirect(std::FILE* out);

  // What is being answered, to show places in it: the line as it was typed,
  // and how many bytes were sent in front of it.
  void request(std::string_view line, size_t in_front);
  // Of a script instead: notices begin with "FILE:LINE: ".
  void script(std::string file, size_t line);

  // A reply begins; and whether it held a notice since.
  void begin() { complained_ = false; }
  bool complained() const { return complained_; }

  void payload(const std::string& text);
  void notice(const ReplyLine& line);
  void error(const std::string& text);
  void remark(const std::string& text);  // of the console itself
  void status(const ReplyLine& line);    // for people: "[unchanged gen=11]"
  // False: what was said could not be written (a full disk, a closed pipe).
  bool flush();
  bool broken() const { return std::ferror(out_) != 0; }

 private:
  enum class Tone { plain, error, warning, notice };
  void say(std::string_view text, Tone tone);
  std::string placed(const std::string& text) const;

  std::FILE* out_;
  std::FILE* err_;
  bool out_is_terminal_;
  bool err_is_terminal_;
  bool colour_ = false;
  bool complained_ = false;

  std::string typed_;    // interactive: the request
  size_t in_front_ = 0;  // bytes sent in front of it
  std::string file_;     // script: its name
  size_t line_ = 0;      // 1: the first
};

// Reads the reply to what was sent, and prints it. The last line is the
// answer; `talkative` shows it when nothing else was said. interrupted: by the
// user, or nobody reads what is printed (Printer::broken): the reply is owed.
Outcome<ReplyLine> print_reply(Client& client, Printer& printer, bool talkative);

// Colour is wanted on a terminal, unless NO_COLOR is set or it can show none.
bool colour_wanted();

}  // namespace impulse::console
