// BodyReceiver: takes a message whose end is known by its length, in any
// pieces: looks at the ends of its lines and hands it to a BodyKeeper. What
// SMTP's BDAT does to a message (RFC 3030), and ECStream too.
#pragma once

#include "message/body_keeper.h"

#include <cstdint>
#include <string_view>

namespace impulse::message {

class BodyReceiver {
 public:
  using Verdict = BodyKeeper::Verdict;

  BodyReceiver() = default;  // of no message
  // As BodyKeeper. `binary`: bytes are bytes, no line end is looked at.
  BodyReceiver(const BodyRules& rules, bool binary, BeginBody large);

  void feed(std::string_view bytes);
  void finish();  // the message has ended; text that does not end in CRLF gets one

  uint64_t came() const { return came_; }  // octets, as they came
  const BodyKeeper& kept() const { return keeper_; }
  BodyKeeper& kept() { return keeper_; }

 private:
  void lone(char c);

  BodyKeeper keeper_;
  bool binary_ = false;
  bool cr_ = false;          // a CR came last, and waits for what it is
  bool line_start_ = false;  // the last that was kept was a line's end
  uint64_t came_ = 0;
};

}  // namespace impulse::message
