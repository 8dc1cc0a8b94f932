#include "smtp/line_reader.h"

#include "base/text.h"

#include <algorithm>

namespace impulse::smtp {

namespace {

bool is_plain_text(std::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c < 0x7F; });
}

}  // namespace

LineReader::Result LineReader::feed(std::string_view bytes, size_t limit) {
  if (hand_out_) {
    buffer_.clear();
    hand_out_ = false;
  }
  Result result;
  if (bytes.empty()) return result;
  const size_t end = bytes.find('\n');
  if (end == std::string_view::npos) {
    result.used = bytes.size();
    length_ += bytes.size();
    last_is_cr_ = bytes.back() == '\r';
    if (length_ <= limit)
      buffer_ += bytes;
    else
      std::string().swap(buffer_);
    return result;
  }

  result.used = end + 1;
  const bool crlf = end > 0 ? bytes[end - 1] == '\r' : last_is_cr_;
  const bool too_long = length_ + end + 1 > limit;
  if (!too_long && buffer_.empty()) {
    result.line = bytes.substr(0, end);  // the common case: no copy
  } else if (!too_long) {
    buffer_ += bytes.substr(0, end);
    result.line = buffer_;
  }
  if (crlf && !too_long) result.line.remove_suffix(1);
  hand_out_ = true;
  length_ = 0;
  last_is_cr_ = false;

  result.ended_in_lf = !crlf;
  if (ends_ == Ends::unknown) ends_ = !crlf && !too_long && is_plain_text(result.line) ? Ends::lf : Ends::crlf;
  if (!crlf && ends_ == Ends::crlf)
    result.event = Event::lone_lf;
  else
    result.event = too_long ? Event::too_long : Event::line;
  return result;
}

bool LineReader::begins_with(std::string_view text, std::string_view more) const {
  const std::string_view had = hand_out_ ? std::string_view() : std::string_view(buffer_).substr(0, text.size());
  if (had.size() < length_ && had.size() < text.size()) return false;  // too long: thrown away
  return istarts_with(text, had) && istarts_with(more, text.substr(had.size()));
}

void LineReader::reset() {
  std::string().swap(buffer_);
  hand_out_ = false;
  length_ = 0;
  last_is_cr_ = false;
  ends_ = Ends::unknown;
}

}  // namespace impulse::smtp
