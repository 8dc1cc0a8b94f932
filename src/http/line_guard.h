// LineGuard: cuts lines that end in CRLF and in nothing else, byte by byte, so
// that what it finds does not depend on how the bytes were cut. In front of every
// line of a head, of a chunk's size and of trailers, before any parser sees them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace impulse::http {

class LineGuard {
 public:
  enum class Verdict : uint8_t {
    more,     // all bytes taken, the line goes on
    line,     // it ended; length() says how long it is, with its CRLF
    lone_lf,  // LF without CR
    lone_cr,  // CR without LF
    control,  // NUL, and all others but tabs
    folded,   // the line begins with white space
    length,   // longer than `most`
  };
  struct Result {
    size_t used = 0;
    Verdict verdict = Verdict::more;
  };
  // `most`: bytes of the line, with its CRLF.
  Result feed(std::string_view bytes, size_t most);
  // Of the line that is under way, or ended last.
  size_t length() const { return length_; }
  void next() { length_ = 0; }

 private:
  size_t length_ = 0;
  bool cr_ = false;
};

// For people.
std::string_view line_fault(LineGuard::Verdict verdict);

}  // namespace impulse::http
