// DataReceiver: message data behind 354 (RFC 5321 §4.5.2): finds the end,
// takes the dots out, keeps the bytes, counts what has to be counted. Also
// what BDAT brings (RFC 3030), where length says where it ends, and dots mean
// nothing.
//
// Only CR LF . CR LF ends the data (and . CR LF at its very start), whatever
// the policy says about lone CRs and LFs, and also while a message that is
// refused already is read to its end. A line of the transfer starts behind
// CR LF and nowhere else: so a dot behind a lone LF is content, even when
// `fix` makes that LF a CRLF in what is stored.
#pragma once

#include "base/chunks.h"
#include "message/body_sink.h"
#include "message/header_scan.h"
#include "smtp/policy.h"

#include <cstdint>
#include <memory>
#include <string_view>

namespace impulse::smtp {

class DataReceiver {
 public:
  enum class Verdict : uint8_t { good, too_big, header_too_big, lone_lf, loop, no_space, trouble };

  // Starts a message; what was there is dropped. Of the policy it takes
  // max_message_size, max_received_headers, large_message, body_block and the
  // lone_lf settings. `large`, when given, makes the place for what is over
  // large_message; the header fields stay in memory with what is in front of it.
  void begin(const Policy& policy, message::BeginBody large = nullptr);
  // The same for BDAT. `binary` (BODY=BINARYMIME): bytes are bytes, no line end is looked at.
  void begin_chunks(const Policy& policy, bool binary, message::BeginBody large = nullptr);
  // Takes bytes up to the end of data; returns how many.
  size_t feed(std::string_view bytes);
  // Octets of a chunk, all of them.
  void feed_chunk(std::string_view bytes);
  // The last chunk was the last: a message that is text ends in CRLF.
  void end_chunks();

  bool done() const { return at_ == At::end; }
  // The first thing that was wrong; from then on nothing is kept.
  Verdict verdict() const { return verdict_; }
  const Chunks& body() const { return body_; }  // what is kept in memory
  uint64_t size() const { return body_.size() + (rest_ ? rest_->size() : 0); }
  Chunks take_body();
  // done(): what the header section holds, and the longest line of the message
  // (octets without its end) where a policy of RFC2822_Max_Line_Length asks for it.
  const message::HeaderFacts& header();
  uint64_t longest_line() const { return longest_line_; }
  // What follows the body; null: nothing.
  std::unique_ptr<message::BodySink> take_rest() { return std::move(rest_); }

 private:
  enum class At : uint8_t { line_start, dot, dot_cr, text, cr, end };
  enum class Form : uint8_t { dotted, chunks, binary };

  // The next CR and LF of the input, its end when there is none; nullptr: not looked for yet.
  struct Marks {
    const char* cr = nullptr;
    const char* lf = nullptr;
  };

  void step(char c);
  const char* run(const char* from, const char* end, Marks& marks);
  void text(char c);
  void keep(std::string_view bytes);
  void lone(char c);
  void refuse(Verdict verdict);
  void measure(std::string_view bytes);
  void stream(std::string_view bytes);

  At at_ = At::end;
  Form form_ = Form::dotted;
  Verdict verdict_ = Verdict::good;
  uint64_t max_size_ = 0;
  uint32_t max_received_ = 0;
  Policy::LoneLf in_headers_ = Policy::LoneLf::pedantic;
  Policy::LoneLf in_body_ = Policy::LoneLf::pedantic;
  message::HeaderScan headers_;
  bool measures_ = false;
  uint64_t line_ = 0;  // octets of the line that goes on
  uint64_t longest_line_ = 0;
  size_t block_ = 16384;
  Chunks body_;
  uint64_t in_memory_ = UINT64_MAX;
  message::BeginBody large_;
  std::unique_ptr<message::BodySink> rest_;
};

}  // namespace impulse::smtp
