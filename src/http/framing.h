// Framing: takes a body out of its framing, by Boost.Beast's parser, which has
// read the same head. Nothing reaches the parser that could be read in two
// ways: LineGuard and chunk_size() go in front of it, and it has to come to the
// same end as they.
#pragma once

#include "http/message.h"
#include "http/policy.h"
#include "http/syntax.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace impulse::http {

class Framing {
 public:
  Framing();
  ~Framing();
  Framing(const Framing&) = delete;
  Framing& operator=(const Framing&) = delete;

  // `text`: the whole head, which was read into `head`. A fault when the parser
  // reads it differently. The policy's bounds of headers are those of trailers.
  std::optional<Fault> begin(std::string_view text, const RequestHead& head, const Policy& policy);

  struct Step {
    size_t used = 0;
    std::string_view data;  // of the body, in the bytes that were fed
  };
  // While neither done() nor fault(). Takes something of bytes that are not empty.
  Step feed(std::string_view bytes);
  bool done() const;
  const std::optional<Fault>& fault() const;
  // Bytes of the body that are known to come: its length, or that of all chunks so far.
  uint64_t announced() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace impulse::http
