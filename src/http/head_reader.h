// HeadReader: collects the head of one request, bounded from its first byte, and
// refuses at once what is no request line or no header line.
#pragma once

#include "http/line_guard.h"
#include "http/policy.h"
#include "http/syntax.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::http {

// method SP request-target SP "HTTP/" DIGIT "." DIGIT, of a token and visible ASCII.
struct RequestLine {
  std::string_view method;
  std::string_view target;
  int major = 0;
  int minor = 0;
};
std::optional<RequestLine> request_line(std::string_view line);

class HeadReader {
 public:
  // Returns how many bytes were taken: all, or up to the end of the head, or to the fault.
  size_t feed(std::string_view bytes, const Policy& policy);
  bool begun() const { return !text_.empty() && text_ != "\r"; }  // an empty line in front is nothing (RFC 9112 §2.2)
  bool done() const { return done_; }
  const std::optional<Fault>& fault() const { return fault_; }

  // As soon as the request line is there, else empty; a view into the reader.
  std::string_view method() const;
  // When done: views into the reader. All of it, with the empty line.
  std::string_view text() const { return text_; }
  RequestLine line() const;
  std::vector<FieldLine> fields() const;
  size_t held() const { return text_.capacity(); }
  void reset();

 private:
  void end_of_line(const Policy& policy);
  void broken(LineGuard::Verdict verdict);

  std::string text_;
  std::vector<std::pair<size_t, size_t>> lines_;  // where each begins, and its size without CRLF
  LineGuard guard_;
  bool skipped_ = false;  // an empty line in front
  bool done_ = false;
  std::optional<Fault> fault_;
};

}  // namespace impulse::http
