#include "message/body_receiver.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace impulse::message {

namespace {

std::string_view view(const char* from, const char* end) { return {from, static_cast<size_t>(end - from)}; }

const char* find(const char* from, const char* end, char c) {
  const void* const found = std::memchr(from, c, static_cast<size_t>(end - from));
  return found != nullptr ? static_cast<const char*>(found) : end;
}

}  // namespace

BodyReceiver::BodyReceiver(const BodyRules& rules, bool binary, BeginBody large)
    : keeper_(rules, std::move(large)), binary_(binary) {}

// Whole runs of good lines at once; a CR or LF alone by itself.
void BodyReceiver::feed(std::string_view bytes) {
  came_ += bytes.size();
  if (bytes.empty() || keeper_.verdict() != Verdict::good) return;
  if (binary_) return keeper_.keep(bytes);
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  if (cr_) {
    cr_ = false;
    if (*at == '\n') {
      keeper_.keep("\r\n");
      line_start_ = true;
      ++at;
    } else {
      lone('\r');
    }
  }
  const char* from = at;  // what is good, and not kept yet
  const char* cr = nullptr;
  const char* lf = nullptr;
  while (at != end && keeper_.verdict() == Verdict::good) {
    if (cr == nullptr || cr < at) cr = find(at, end, '\r');
    if (lf == nullptr || lf < at) lf = find(at, end, '\n');
    if (lf != end && cr + 1 == lf) {
      at = lf + 1;
      continue;
    }
    const char* const stop = std::min(cr, lf);
    if (stop != from) {
      keeper_.keep(view(from, stop));
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
  if (from != end && keeper_.verdict() == Verdict::good) {
    keeper_.keep(view(from, end));
    line_start_ = true;  // the loop ended behind CRLF
  }
}

void BodyReceiver::finish() {
  if (!binary_ && keeper_.verdict() == Verdict::good) {
    if (cr_) lone('\r');
    cr_ = false;
    if (!line_start_ && keeper_.verdict() == Verdict::good) keeper_.keep("\r\n");
  }
  keeper_.finish();
}

void BodyReceiver::lone(char c) { line_start_ = keeper_.lone(c) == LoneLf::fix; }

}  // namespace impulse::message
