#include "smtp/data_receiver.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace impulse::smtp {

namespace {

const char* find(const char* from, const char* end, char c) {
  const void* const found = std::memchr(from, c, static_cast<size_t>(end - from));
  return found != nullptr ? static_cast<const char*>(found) : end;
}

// Of a header that is kept in memory whatever large_message says, bytes.
constexpr size_t longest_header = size_t{1} << 20;

std::string_view view(const char* from, const char* end) { return {from, static_cast<size_t>(end - from)}; }

}  // namespace

void DataReceiver::begin(const Policy& policy, message::BeginBody large) {
  form_ = Form::dotted;
  at_ = At::line_start;
  verdict_ = Verdict::good;
  max_size_ = policy.max_message_size;
  max_received_ = policy.max_received_headers;
  in_headers_ = policy.lone_lf_headers;
  in_body_ = policy.lone_lf_body;
  const message::FixupPolicy& fixups = policy.fixups;
  headers_ = message::HeaderScan(policy.received_hostname, fixups.date == message::AddField::always ||
                                                               fixups.message_id == message::AddField::always);
  measures_ = fixups.long_lines != message::LongLines::none;
  line_ = longest_line_ = 0;
  block_ = policy.body_block;
  body_ = Chunks(block_);
  large_ = std::move(large);
  // Lines are wrapped in memory.
  in_memory_ = large_ && fixups.long_lines != message::LongLines::wrap ? policy.large_message : UINT64_MAX;
  rest_.reset();
}

void DataReceiver::begin_chunks(const Policy& policy, bool binary, message::BeginBody large) {
  begin(policy, std::move(large));
  form_ = binary ? Form::binary : Form::chunks;
}

void DataReceiver::feed_chunk(std::string_view bytes) {
  if (form_ == Form::binary) return keep(bytes);
  feed(bytes);
}

void DataReceiver::end_chunks() {
  if (form_ == Form::chunks) {
    // A CR that nothing follows is one alone; mended, it ends the line.
    const bool mended = at_ == At::cr && (headers_.done() ? in_body_ : in_headers_) == Policy::LoneLf::fix;
    if (at_ == At::cr) lone('\r');
    if (!mended && (at_ != At::line_start || size() == 0)) keep("\r\n");
  }
  at_ = At::end;
}

Chunks DataReceiver::take_body() { return std::exchange(body_, Chunks(block_)); }

size_t DataReceiver::feed(std::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  Marks marks;
  while (at != end && at_ != At::end) {
    const bool dot = *at == '.' && form_ == Form::dotted;
    const bool plain = (at_ == At::line_start && !dot) || at_ == At::text;
    if (plain) at = run(at, end, marks);
    if (at != end) step(*at++);
  }
  return static_cast<size_t>(at - bytes.data());
}

// The fast way: whole lines, as long as nothing is the matter with them. Stops
// before whatever step() has to look at: a dot that opens a line, a lone CR
// or LF, a CR at the end of the input.
const char* DataReceiver::run(const char* from, const char* end, Marks& marks) {
  const char* line = from;
  while (line != end) {
    if (form_ == Form::dotted && *line == '.' && (line != from || at_ == At::line_start)) {
      keep(view(from, line));
      at_ = At::line_start;
      return line;
    }
    // Each mark is looked for once, even when the input is nothing but lone CRs or LFs.
    if (marks.cr == nullptr || marks.cr < line) marks.cr = find(line, end, '\r');
    if (marks.lf == nullptr || marks.lf < line) marks.lf = find(line, end, '\n');
    if (marks.lf == end || marks.cr + 1 != marks.lf) {
      const char* const stop = std::min(marks.cr, marks.lf);
      keep(view(from, stop));
      at_ = At::text;  // what comes next is no dot, so that it may be a line's start as well
      return stop;
    }
    line = marks.lf + 1;
  }
  keep(view(from, end));
  at_ = At::line_start;  // the input ended in CRLF
  return end;
}

// One byte, by the book.
void DataReceiver::step(char c) {
  switch (at_) {
    case At::line_start:
      if (c == '.' && form_ == Form::dotted)
        at_ = At::dot;
      else
        text(c);
      break;
    case At::dot:
      if (c == '\r')
        at_ = At::dot_cr;
      else
        text(c);  // the dot was stuffing
      break;
    case At::dot_cr:
      if (c == '\n') {
        at_ = At::end;
        break;
      }
      lone('\r');
      text(c);
      break;
    case At::text:
      text(c);
      break;
    case At::cr:
      if (c == '\n') {
        keep("\r\n");
        at_ = At::line_start;
        break;
      }
      lone('\r');
      text(c);
      break;
    case At::end:
      break;
  }
}

void DataReceiver::text(char c) {
  if (c == '\r') {
    at_ = At::cr;
    return;
  }
  at_ = At::text;
  if (c == '\n')
    lone(c);
  else
    keep({&c, 1});
}

void DataReceiver::lone(char c) {
  switch (headers_.done() ? in_body_ : in_headers_) {
    case Policy::LoneLf::ignore:
      keep({&c, 1});
      break;
    case Policy::LoneLf::fix:
      keep("\r\n");
      break;
    case Policy::LoneLf::pedantic:
      refuse(Verdict::lone_lf);
      break;
  }
}

// Which of two faults comes first must not depend on how the bytes were cut:
// so the header fields in front of the size limit are looked at before it.
void DataReceiver::keep(std::string_view bytes) {
  if (verdict_ != Verdict::good) return;
  const bool too_big = max_size_ != 0 && bytes.size() > max_size_ - size();
  const std::string_view fits = too_big ? bytes.substr(0, max_size_ - size()) : bytes;
  size_t head = 0;
  if (!headers_.done()) {
    // The header section is in memory, all of it: who looks at it later can.
    const size_t room = longest_header - body_.size();
    head = headers_.feed(fits.substr(0, room));
    if (max_received_ != 0 && headers_.received() > max_received_) return refuse(Verdict::loop);
    if (!headers_.done() && fits.size() > room) return refuse(Verdict::header_too_big);
  }
  if (too_big) return refuse(Verdict::too_big);
  if (measures_) measure(bytes);
  if (head > 0) body_.append(bytes.substr(0, head));
  bytes.remove_prefix(head);
  if (bytes.empty()) return;
  if (rest_ || body_.size() + bytes.size() > in_memory_)
    stream(bytes);
  else
    body_.append(bytes);
}

void DataReceiver::measure(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      line_ += bytes.size();
      return;
    }
    line_ += end;
    const bool crlf = end > 0 && bytes[end - 1] == '\r';  // kept together by whoever calls keep()
    longest_line_ = std::max(longest_line_, line_ - (crlf ? 1 : 0));
    line_ = 0;
    bytes.remove_prefix(end + 1);
  }
}

const message::HeaderFacts& DataReceiver::header() {
  headers_.finish();
  longest_line_ = std::max(longest_line_, std::exchange(line_, 0));
  return headers_.facts();
}

void DataReceiver::stream(std::string_view bytes) {
  Result<> taken;
  if (!rest_) {
    auto begun = large_();
    if (begun) {
      rest_ = std::move(*begun);
    } else if (begun.error().code == Errc::unavailable) {  // nobody has one: memory it is
      in_memory_ = UINT64_MAX;
      return body_.append(bytes);
    } else {
      taken = std::unexpected(std::move(begun.error()));
    }
  }
  if (taken) taken = rest_->append(bytes);
  if (!taken) refuse(taken.error().code == Errc::no_space ? Verdict::no_space : Verdict::trouble);
}

void DataReceiver::refuse(Verdict verdict) {
  if (verdict_ != Verdict::good) return;
  verdict_ = verdict;
  body_ = Chunks(block_);
  rest_.reset();
}

}  // namespace impulse::smtp
