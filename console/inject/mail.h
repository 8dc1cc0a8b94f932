// Mail: one message to be sent, with its envelope. Refilled for the next one,
// so that no memory is asked for in the long run.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::ecinject {

class Filler;

// A stored message as it goes: lines end in CRLF, the last one too.
struct Text {
  std::string bytes;
  bool eight_bit = false;  // a byte above 0x7F is in it
  bool utf8 = true;        // it is well-formed UTF-8 (and has no NUL)
  bool dots = false;       // a line begins with a dot
};

struct Mail {
  uint64_t index = 0;  // from 0, in the run
  std::string sender;  // empty: the null sender
  std::vector<std::string> recipients;

  // Generated: `head` (header section and empty line) and `filler_size` bytes of `filler`.
  // Stored: `stored`, all of it.
  std::string head;
  std::string subject;  // generated; as it stands in head
  const Filler* filler = nullptr;
  size_t filler_size = 0;
  std::shared_ptr<const Text> stored;

  size_t size() const { return stored != nullptr ? stored->bytes.size() : head.size() + filler_size; }
  bool eight_bit() const { return stored != nullptr && stored->eight_bit; }
  void append_to(std::string& out) const;      // as it is
  void append_dotted(std::string& out) const;  // for DATA, with the final dot
};

}  // namespace impulse::ecinject
