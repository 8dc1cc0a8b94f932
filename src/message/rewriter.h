// Rewriter: passes a message on with what fix_up() decided done to it. Any
// cutting; what it keeps is one line of at most max_line_length octets and what
// one feed() added to it.
//
// Lines over max_line_length are wrapped: at 998 octets, or max_line_length if
// that is less, but not below 78. In the header section a line is folded in
// front of white space, which is what readers take out again; where there is
// none, a space is put in. In the body it is cut, never within a UTF-8
// character.
#pragma once

#include "base/chunks.h"
#include "message/fixups.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace impulse::message {

class Rewriter {
 public:
  using Emit = std::function<void(std::string_view)>;

  // `fixups` must outlive it; its `fields` are not written here.
  Rewriter(const Fixups& fixups, Emit emit);

  void feed(std::string_view bytes);
  void finish();  // the message ended

 private:
  void text(std::string_view bytes);
  void hold(std::string_view bytes, bool complete);
  void close_up();
  size_t piece(std::string_view content, bool header) const;

  const Fixups& fixups_;
  Emit emit_;
  size_t limit_ = 0;        // of a line that is made here
  uint64_t position_ = 0;   // in the message as it came
  size_t next_cut_ = 0;     // index
  bool separated_ = false;  // the separator was written
  bool header_ = true;      // the line stage is within the header section
  // The line that goes on.
  std::string held_;
  bool long_ = false;      // it is too long, and its beginning was written already
  bool first_ = true;      // nothing of it was written yet
  bool indent_ = false;    // a space goes in front of what is held
  bool close_up_ = false;  // its colon was not in reach
};

// A whole body rewritten; `block` as Chunks has it.
Chunks rewritten(const Chunks& body, const Fixups& fixups, size_t block = 16384);

}  // namespace impulse::message
