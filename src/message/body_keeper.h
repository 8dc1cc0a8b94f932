// BodyKeeper: what becomes of the bytes of a message that is coming in, once a
// protocol has taken them out of its framing: limits, header section, lines
// that are too long, memory first and the disk behind it.
#pragma once

#include "base/chunks.h"
#include "message/body_sink.h"
#include "message/fixups.h"
#include "message/header_scan.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace impulse::message {

// RFC2822_Lone_LF_In_Headers and …_In_Body: a CR or LF alone is kept as it is,
// refuses the message, or is made a line's end.
enum class LoneLf : uint8_t { ignore, pedantic, fix };

// What the configuration says of them.
struct BodyRules {
  using LoneLf = message::LoneLf;

  std::string received_hostname;         // Received_Hostname: ours in fields we add
  uint64_t max_message_size = 52428800;  // bytes; 0 no limit
  uint32_t max_received_headers = 100;   // 0 no limit
  uint64_t large_message = 131072;       // Large_Message_Threshold: bytes of a body kept in memory
  size_t body_block = 16384;             // Growbuf_Size, bytes
  LoneLf lone_lf_body = LoneLf::pedantic;
  LoneLf lone_lf_headers = LoneLf::pedantic;
  FixupPolicy fixups;  // Date, Message-ID, missing header fields, long lines

  friend bool operator==(const BodyRules&, const BodyRules&) = default;
};

class BodyKeeper {
 public:
  enum class Verdict : uint8_t { good, too_big, header_too_big, lone_lf, loop, no_space, no_files, trouble };

  BodyKeeper() = default;  // of no message
  // `rules` are copied as far as they are needed. `large`, when given, makes the place
  // for what is over large_message; the header section stays in memory, up to 1 MiB,
  // with what is in front of it.
  BodyKeeper(const BodyRules& rules, BeginBody large);

  // Bytes of the message as it is to be kept, in any pieces; but the CR and LF
  // of a line's end come in one.
  void keep(std::string_view bytes);
  // A CR or LF alone. Says what was done with it.
  LoneLf lone(char c);
  void finish();  // the message has ended

  Verdict verdict() const { return verdict_; }  // the first thing that was wrong; from then on nothing is kept
  uint64_t size() const { return body_.size() + (rest_ ? rest_->size() : 0); }
  const Chunks& body() const { return body_; }  // what is kept in memory
  // Behind finish(): what the header section holds, and the longest line of the
  // message (octets without its end) where a policy of RFC2822_Max_Line_Length asks for it.
  const HeaderFacts& header() const { return headers_.facts(); }
  uint64_t longest_line() const { return longest_line_; }
  Chunks take_body();
  // What follows the body; null: nothing.
  std::unique_ptr<BodySink> take_rest() { return std::move(rest_); }

 private:
  void measure(std::string_view bytes);
  void stream(std::string_view bytes);
  void refuse(Verdict verdict);

  Verdict verdict_ = Verdict::good;
  uint64_t max_size_ = 0;
  uint32_t max_received_ = 0;
  LoneLf in_headers_ = LoneLf::pedantic;
  LoneLf in_body_ = LoneLf::pedantic;
  HeaderScan headers_;
  bool measures_ = false;
  uint64_t line_ = 0;  // octets of the line that goes on
  uint64_t longest_line_ = 0;
  size_t block_ = 16384;
  Chunks body_;
  uint64_t in_memory_ = UINT64_MAX;
  BeginBody large_;
  std::unique_ptr<BodySink> rest_;
};

}  // namespace impulse::message
