#include "ecstream/body_receiver.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace impulse::ecstream {

namespace {

// Of a header that is kept in memory whatever large_message says, bytes.
constexpr size_t longest_header = size_t{1} << 20;

std::string_view view(const char* from, const char* end) { return {from, static_cast<size_t>(end - from)}; }

const char* find(const char* from, const char* end, char c) {
  const void* const found = std::memchr(from, c, static_cast<size_t>(end - from));
  return found != nullptr ? static_cast<const char*>(found) : end;
}

}  // namespace

BodyReceiver::BodyReceiver(const Policy& policy, bool binary, message::BeginBody large)
    : policy_(policy),
      binary_(binary),
      large_(std::move(large)),
      headers_(policy.received_hostname, policy.fixups.date == message::AddField::always ||
                                             policy.fixups.message_id == message::AddField::always),
      measures_(policy.fixups.long_lines != message::LongLines::none),
      body_(policy.body_block) {
  // Lines are wrapped in memory.
  in_memory_ = large_ && policy.fixups.long_lines != message::LongLines::wrap ? policy.large_message : UINT64_MAX;
}

// Whole runs of good lines at once; a CR or LF alone by itself.
void BodyReceiver::feed(std::string_view bytes) {
  came_ += bytes.size();
  if (bytes.empty() || verdict_ != Verdict::good) return;
  if (binary_) return keep(bytes);
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  if (cr_) {
    cr_ = false;
    if (*at == '\n') {
      keep("\r\n");
      line_start_ = true;
      ++at;
    } else {
      lone('\r');
    }
  }
  const char* from = at;  // what is good, and not kept yet
  const char* cr = nullptr;
  const char* lf = nullptr;
  while (at != end && verdict_ == Verdict::good) {
    if (cr == nullptr || cr < at) cr = find(at, end, '\r');
    if (lf == nullptr || lf < at) lf = find(at, end, '\n');
    if (lf != end && cr + 1 == lf) {
      at = lf + 1;
      continue;
    }
    const char* const stop = std::min(cr, lf);
    if (stop != from) {
      keep(view(from, stop));
      line_start_ = stop == at && stop[-1] == '\n';
    }
    from = at = stop;
    if (stop == end) return;
    from = at = stop + 1;
    if (*stop == '\r' && at == end) {
      cr_ = true;
      return;
    }
    lone(*stop);
  }
  if (from != end && verdict_ == Verdict::good) {
    keep(view(from, end));
    line_start_ = true;  // the loop ended behind CRLF
  }
}

void BodyReceiver::finish() {
  if (!binary_ && verdict_ == Verdict::good) {
    if (cr_) lone('\r');
    cr_ = false;
    if (!line_start_ && verdict_ == Verdict::good) keep("\r\n");
  }
  headers_.finish();
  longest_line_ = std::max(longest_line_, std::exchange(line_, 0));
}

Chunks BodyReceiver::take_body() { return std::exchange(body_, Chunks(policy_.body_block)); }

void BodyReceiver::lone(char c) {
  switch (headers_.done() ? policy_.lone_lf_body : policy_.lone_lf_headers) {
    case Policy::LoneLf::ignore:
      keep({&c, 1});
      line_start_ = false;
      break;
    case Policy::LoneLf::fix:
      keep("\r\n");
      line_start_ = true;
      break;
    case Policy::LoneLf::pedantic:
      refuse(Verdict::lone_lf);
      break;
  }
}

// Which of two faults comes first must not depend on how the bytes were cut:
// so the header fields in front of the size limit are looked at before it.
void BodyReceiver::keep(std::string_view bytes) {
  if (verdict_ != Verdict::good) return;
  const uint64_t max_size = policy_.max_message_size;
  const bool too_big = max_size != 0 && bytes.size() > max_size - size();
  const std::string_view fits = too_big ? bytes.substr(0, max_size - size()) : bytes;
  size_t head = 0;
  if (!headers_.done()) {
    // The header section is in memory, all of it: fix-ups can look at it.
    const size_t room = longest_header - body_.size();
    head = headers_.feed(fits.substr(0, room));
    if (policy_.max_received_headers != 0 && headers_.received() > policy_.max_received_headers)
      return refuse(Verdict::loop);
    if (!headers_.done() && fits.size() > room) return refuse(Verdict::header_too_big);
  }
  if (too_big) return refuse(Verdict::too_big);
  if (measures_) measure(bytes);
  if (head > 0) body_.append(bytes.substr(0, head));
  bytes.remove_prefix(head);
  if (bytes.empty()) return;
  if (!rest_ && body_.size() + bytes.size() <= in_memory_) return body_.append(bytes);
  stream(bytes);
}

void BodyReceiver::measure(std::string_view bytes) {
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

void BodyReceiver::stream(std::string_view bytes) {
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

void BodyReceiver::refuse(Verdict verdict) {
  if (verdict_ != Verdict::good) return;
  verdict_ = verdict;
  body_ = Chunks(policy_.body_block);
  rest_.reset();
}

}  // namespace impulse::ecstream
