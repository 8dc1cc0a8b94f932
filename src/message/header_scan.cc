#include "message/header_scan.h"

#include "base/text.h"

#include <cstring>

namespace impulse::message {

namespace {
constexpr std::string_view field_name = "received";
}

size_t HeaderScan::feed(std::string_view bytes) {
  size_t i = 0;
  while (i < bytes.size() && !done_) {
    if (at_ == At::rest) {  // nothing more to learn from this line
      const void* end = std::memchr(bytes.data() + i, '\n', bytes.size() - i);
      if (end == nullptr) return bytes.size();
      i = static_cast<size_t>(static_cast<const char*>(end) - bytes.data()) + 1;
      at_ = At::line_start;
      continue;
    }
    const char c = bytes[i++];
    if (c == '\n') {
      done_ = at_ == At::line_start || at_ == At::cr;
      at_ = At::line_start;
    } else if (at_ == At::line_start && c == '\r') {
      at_ = At::cr;
    } else if (at_ == At::cr) {
      at_ = At::rest;  // a lone CR opened the line
    } else if (at_ == At::space || (at_ == At::name && matched_ == field_name.size())) {
      if (c == ':') ++received_;
      at_ = c == ' ' || c == '\t' ? At::space : At::rest;
    } else {
      if (at_ == At::line_start) matched_ = 0;
      at_ = to_lower(c) == field_name[matched_] ? At::name : At::rest;
      ++matched_;
    }
  }
  return i;
}

}  // namespace impulse::message
