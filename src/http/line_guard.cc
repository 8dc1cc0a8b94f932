#include "http/line_guard.h"

#include "http/syntax.h"

namespace impulse::http {

LineGuard::Result LineGuard::feed(std::string_view bytes, size_t most) {
  size_t used = 0;
  while (used < bytes.size()) {
    const char c = bytes[used++];
    if (++length_ > most) return {used, Verdict::length};
    if (cr_) {
      cr_ = false;
      return {used, c == '\n' ? Verdict::line : Verdict::lone_cr};
    }
    if (c == '\r')
      cr_ = true;
    else if (c == '\n')
      return {used, Verdict::lone_lf};
    else if (length_ == 1 && (c == ' ' || c == '\t'))
      return {used, Verdict::folded};
    else if (is_control(c) && c != '\t')
      return {used, Verdict::control};
  }
  return {used, Verdict::more};
}

std::string_view line_fault(LineGuard::Verdict verdict) {
  switch (verdict) {
    case LineGuard::Verdict::lone_lf:
      return "A line ends in a lone LF";
    case LineGuard::Verdict::lone_cr:
      return "A CR stands alone";
    case LineGuard::Verdict::control:
      return "A line has a control character";
    case LineGuard::Verdict::folded:
      return "A line begins with white space";
    default:
      return "A line is too long";
  }
}

}  // namespace impulse::http
