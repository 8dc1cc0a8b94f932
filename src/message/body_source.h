// BodySource: the part of a stored body that is too large for memory, where it
// lies. The spool makes it; who passes the message on reads it piece by piece.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <memory>
#include <string_view>

namespace impulse::message {

// One reading, from the beginning to the end. One thread at a time.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // The next piece, valid until the next call; empty behind the last. Blocks for the
  // disk. Fails when that cannot read now (io), or when it is not what was stored
  // (invalid): then the last piece was not given, so that who sends what he reads never
  // comes to the end of a damaged message.
  virtual Result<std::string_view> next() = 0;
};

// Any thread.
class BodySource {
 public:
  virtual ~BodySource() = default;
  virtual uint64_t size() const = 0;  // bytes; never 0
  virtual std::unique_ptr<BodyReader> reader() const = 0;
};

}  // namespace impulse::message
