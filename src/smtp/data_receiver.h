// DataReceiver: message data behind 354 (RFC 5321 §4.5.2): finds the end,
// takes the dots out, keeps the bytes, counts what has to be counted. Also
// what BDAT brings (RFC 3030), where length says where it ends, and dots mean
// nothing. What is kept of it is a message::BodyKeeper's.
//
// Only CR LF . CR LF ends the data (and . CR LF at its very start), whatever
// the policy says about lone CRs and LFs, and also while a message that is
// refused already is read to its end. A line of the transfer starts behind
// CR LF and nowhere else: so a dot behind a lone LF is content, even when
// `fix` makes that LF a CRLF in what is stored.
#pragma once

#include "message/body_receiver.h"
#include "smtp/policy.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace impulse::smtp {

class DataReceiver {
 public:
  using Verdict = message::BodyKeeper::Verdict;

  // Starts a message; what was there is dropped. `policy` and `large` as for message::BodyKeeper.
  void begin(const Policy& policy, message::BeginBody large = nullptr);
  // The same for BDAT. `binary` (BODY=BINARYMIME): bytes are bytes, no line end is looked at.
  void begin_chunks(const Policy& policy, bool binary, message::BeginBody large = nullptr);
  // Takes bytes up to the end of data; returns how many.
  size_t feed(std::string_view bytes);
  // Octets of a chunk, all of them.
  void feed_chunk(std::string_view bytes) { receiver_.feed(bytes); }
  // The last chunk was the last: a message that is text ends in CRLF.
  void end_chunks() { receiver_.finish(); }

  bool done() const { return at_ == At::end; }  // by the end of data
  Verdict verdict() const { return kept().verdict(); }
  const Chunks& body() const { return kept().body(); }
  uint64_t size() const { return kept().size(); }
  Chunks take_body() { return kept().take_body(); }
  // The message has ended, one way or the other.
  const message::HeaderFacts& header() const { return kept().header(); }
  uint64_t longest_line() const { return kept().longest_line(); }
  std::unique_ptr<message::BodySink> take_rest() { return kept().take_rest(); }

 private:
  enum class At : uint8_t { line_start, dot, dot_cr, text, cr, end };

  // The next CR and LF of the input, its end when there is none; nullptr: not looked for yet.
  struct Marks {
    const char* cr = nullptr;
    const char* lf = nullptr;
  };

  void step(char c);
  const char* run(const char* from, const char* end, Marks& marks);
  void text(char c);
  const message::BodyKeeper& kept() const { return receiver_.kept(); }
  message::BodyKeeper& kept() { return receiver_.kept(); }

  At at_ = At::end;
  message::BodyReceiver receiver_;  // of BDAT; of DATA only what it keeps by
};

}  // namespace impulse::smtp
