#include "message/body_keeper.h"

#include <algorithm>
#include <utility>

namespace impulse::message {

namespace {

// Of a header that is kept in memory whatever large_message says, bytes.
constexpr size_t longest_header = size_t{1} << 20;

bool replaces_dates(const FixupPolicy& fixups) {
  return fixups.date == AddField::always || fixups.message_id == AddField::always;
}

}  // namespace

BodyKeeper::BodyKeeper(const BodyRules& rules, BeginBody large)
    : max_size_(rules.max_message_size),
      max_received_(rules.max_received_headers),
      in_headers_(rules.lone_lf_headers),
      in_body_(rules.lone_lf_body),
      headers_(rules.received_hostname, replaces_dates(rules.fixups)),
      measures_(rules.fixups.long_lines != LongLines::none),
      block_(rules.body_block),
      body_(rules.body_block),
      large_(std::move(large)) {
  // Lines are wrapped in memory.
  if (large_ && rules.fixups.long_lines != LongLines::wrap) in_memory_ = rules.large_message;
}

Chunks BodyKeeper::take_body() { return std::exchange(body_, Chunks(block_)); }

LoneLf BodyKeeper::lone(char c) {
  const LoneLf choice = headers_.done() ? in_body_ : in_headers_;
  switch (choice) {
    case LoneLf::ignore:
      keep({&c, 1});
      break;
    case LoneLf::fix:
      keep("\r\n");
      break;
    case LoneLf::pedantic:
      refuse(Verdict::lone_lf);
      break;
  }
  return choice;
}

// Which of two faults comes first must not depend on how the bytes were cut:
// so the header fields in front of the size limit are looked at before it.
void BodyKeeper::keep(std::string_view bytes) {
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

void BodyKeeper::measure(std::string_view bytes) {
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

void BodyKeeper::finish() {
  headers_.finish();
  longest_line_ = std::max(longest_line_, std::exchange(line_, 0));
}

void BodyKeeper::stream(std::string_view bytes) {
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
  if (taken) return;
  const Errc why = taken.error().code;
  refuse(why == Errc::no_space ? Verdict::no_space : why == Errc::no_files ? Verdict::no_files : Verdict::trouble);
}

void BodyKeeper::refuse(Verdict verdict) {
  if (verdict_ != Verdict::good) return;
  verdict_ = verdict;
  body_ = Chunks(block_);
  rest_.reset();
}

}  // namespace impulse::message
