#include "smtp/data_encoder.h"

#include <algorithm>

namespace impulse::smtp {

void DataEncoder::add_line(std::string_view line, std::string& out) {
  if (line.empty()) return;
  if (line_start_ && line.front() == '.') out += '.';
  out += line;
  line_start_ = false;
}

void DataEncoder::end_line(std::string& out) {
  out += "\r\n";
  line_start_ = true;
}

void DataEncoder::add(std::string_view part, std::string& out) {
  if (after_cr_ && !part.empty()) {
    after_cr_ = false;
    if (part.front() == '\n') part.remove_prefix(1);
  }
  while (!part.empty()) {
    // Lines nearly always end in CRLF: look for the LF, then before it for a CR.
    const size_t newline = part.find('\n');
    std::string_view piece = part.substr(0, newline);
    part.remove_prefix(newline == std::string_view::npos ? part.size() : newline + 1);
    for (size_t cr = piece.find('\r'); cr != std::string_view::npos; cr = piece.find('\r')) {
      add_line(piece.substr(0, cr), out);
      end_line(out);
      piece.remove_prefix(cr + 1);
      after_cr_ = piece.empty();
    }
    add_line(piece, out);
    if (newline == std::string_view::npos) break;
    if (!after_cr_) end_line(out);
    after_cr_ = false;
  }
}

void DataEncoder::finish(std::string& out) {
  if (!line_start_) end_line(out);
  out += ".\r\n";
}

void Measurer::add(std::string_view part) {
  sum_.size += part.size();
  for (const char c : part) {
    sum_.eight_bit |= (static_cast<unsigned char>(c) & 0x80) != 0;
    // A lone CR or LF is a byte here and two on the wire.
    sum_.size += (c == '\n' && before_ != '\r') || (before_ == '\r' && c != '\n') ? 1 : 0;
    before_ = c;
  }
}

DataMeasure Measurer::result() const {
  DataMeasure result = sum_;
  if (before_ == '\r') result.size += 1;
  if (before_ != '\n' && before_ != '\r' && result.size > 0) result.size += 2;  // the last line's end
  return result;
}

DataMeasure measure(std::string_view trace, std::string_view body) {
  Measurer measurer;
  measurer.add(trace);
  measurer.add(body);
  return measurer.result();
}

}  // namespace impulse::smtp
