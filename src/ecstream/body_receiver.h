// BodyReceiver: takes a body as it comes, in any pieces: looks at its lines,
// scans its header section, keeps its beginning in memory and the rest on the
// disk. What SMTP's BDAT does to a message (RFC 3030), for ECStream.
#pragma once

#include "base/chunks.h"
#include "ecstream/policy.h"
#include "message/body_sink.h"
#include "message/header_scan.h"

#include <cstdint>
#include <memory>
#include <string_view>

namespace impulse::ecstream {

class BodyReceiver {
 public:
  enum class Verdict : uint8_t { good, too_big, header_too_big, lone_lf, loop, no_space, trouble };

  // Of the policy, which outlives the message: max_message_size,
  // max_received_headers, large_message, body_block, received_hostname, fixups
  // and the lone_lf settings. `binary`: no line end is looked at.
  BodyReceiver(const Policy& policy, bool binary, message::BeginBody large);

  void feed(std::string_view bytes);
  void finish();  // text that does not end in CRLF gets one

  Verdict verdict() const { return verdict_; }  // the first thing that was wrong; from then on nothing is kept
  uint64_t came() const { return came_; }       // octets, as they came
  uint64_t size() const { return body_.size() + (rest_ ? rest_->size() : 0); }
  size_t in_memory() const { return body_.size(); }
  const message::HeaderFacts& header() const { return headers_.facts(); }  // behind finish()
  uint64_t longest_line() const { return longest_line_; }                  // where fixups ask for it
  Chunks take_body();
  std::unique_ptr<message::BodySink> take_rest() { return std::move(rest_); }

 private:
  void lone(char c);
  void keep(std::string_view bytes);
  void measure(std::string_view bytes);
  void stream(std::string_view bytes);
  void refuse(Verdict verdict);

  const Policy& policy_;
  bool binary_;
  message::BeginBody large_;
  Verdict verdict_ = Verdict::good;
  bool cr_ = false;          // a CR came last, and waits for what it is
  bool line_start_ = false;  // the last that was kept was a line's end
  uint64_t came_ = 0;
  uint64_t in_memory_;
  message::HeaderScan headers_;
  bool measures_;
  uint64_t line_ = 0;
  uint64_t longest_line_ = 0;
  Chunks body_;
  std::unique_ptr<message::BodySink> rest_;
};

}  // namespace impulse::ecstream
