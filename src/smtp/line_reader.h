// LineReader: cuts the stream of commands into lines, in bounded memory.
//
// CRLF ends a command (RFC 5321 §2.3.8). A lone LF is a way to smuggle a
// command inside a line that a relay was made to send, so it never ends one
// in a session that speaks CRLF: there it is `lone_lf`, and the session is to
// be closed. People type at servers with tools that send LF, though; who ends
// the very first line with a lone LF ends commands with LF for the whole
// session (a relay never does, and what it can be made to send comes later).
// Message data knows nothing of this: it ends with CRLF.CRLF, always.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::smtp {

class LineReader {
 public:
  enum class Event : uint8_t {
    more,      // all was taken, the line goes on
    line,      // a line is complete
    too_long,  // a line over the limit ended here; nothing of it was kept
    lone_lf,   // in a CRLF session
  };
  struct Result {
    Event event = Event::more;
    size_t used = 0;        // bytes of the input that are done with
    std::string_view line;  // without its end; valid until the next call
    bool ended_in_lf = false;
  };

  // `limit`: longest line in bytes, its end included.
  Result feed(std::string_view bytes, size_t limit);
  // A line has begun and not ended.
  bool in_line() const { return length_ > 0; }
  // Whether the line that is coming in, which goes on with `more`, begins so;
  // case folded. False while that cannot be told yet.
  bool begins_with(std::string_view text, std::string_view more) const;
  // Forgets everything, the manner of line ends too.
  void reset();

 private:
  enum class Ends : uint8_t { unknown, crlf, lf };

  std::string buffer_;       // the line so far; at most the limit
  bool hand_out_ = false;    // buffer_ was given out by the last call
  uint64_t length_ = 0;      // of the line so far
  bool last_is_cr_ = false;  // its last byte
  Ends ends_ = Ends::unknown;
};

}  // namespace impulse::smtp
