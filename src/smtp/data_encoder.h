// What a message looks like behind DATA (RFC 5321 §2.3.8, §4.1.1.4, §4.5.2):
// lines end in CRLF and nowhere stands a CR or an LF alone, a leading dot is
// doubled, and "." on a line of its own comes exactly once, at the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::smtp {

// Appends parts of one message to `out`, any to each call. A CR or LF alone counts
// as the end of a line and becomes CRLF, so that no server can see an end of data
// that this side did not mean.
class DataEncoder {
 public:
  void add(std::string_view part, std::string& out);
  void finish(std::string& out);  // ends an unfinished line, writes the final dot

 private:
  void add_line(std::string_view line, std::string& out);  // without line end, maybe a piece of one
  void end_line(std::string& out);

  bool line_start_ = true;
  bool after_cr_ = false;  // a CR was read, its line ended; an LF right behind belongs to it
};

// For MAIL's SIZE and BODY (RFC 1870, RFC 6152).
struct DataMeasure {
  uint64_t size = 0;       // bytes with CRLF line ends, without dot-stuffing and final dot
  bool eight_bit = false;  // a byte above 0x7F is in it
};
// Of a message that comes in parts.
class Measurer {
 public:
  void add(std::string_view part);
  DataMeasure result() const;  // of all so far, as if that were the message

 private:
  DataMeasure sum_;
  char before_ = 0;
};
DataMeasure measure(std::string_view trace, std::string_view body);

}  // namespace impulse::smtp
