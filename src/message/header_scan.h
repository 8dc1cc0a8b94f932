// HeaderScan: follows a message as it streams by and knows whether its header
// section (RFC 5322 §2.1) still goes on, and what was in it. One pass, any
// cutting, no copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace impulse::message {

class HeaderScan {
 public:
  // Takes the next bytes of the message as it is stored. Lines end in CRLF or,
  // where policy lets them in, in a lone LF: whoever reads the message later
  // may see a line there. Returns how many bytes belonged to the header
  // section, the empty line included; 0 once done().
  size_t feed(std::string_view bytes);

  bool done() const { return done_; }              // the empty line was seen
  uint32_t received() const { return received_; }  // how many Received fields (RFC 5321 §6.3) began so far

 private:
  enum class At : uint8_t { line_start, cr, name, space, rest };
  At at_ = At::line_start;
  uint8_t matched_ = 0;  // letters of "received" that the line's start has in common
  bool done_ = false;
  uint32_t received_ = 0;
};

}  // namespace impulse::message
