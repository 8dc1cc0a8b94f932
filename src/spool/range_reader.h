// RangeReader: many short pieces of a file, in few reads: what lies close
// together is read at once.
#pragma once

#include "base/result.h"
#include "spool/file_ops.h"

#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool {

class RangeReader {
 public:
  struct Range {
    uint64_t offset = 0;
    uint64_t length = 0;
  };
  // `file` is borrowed. Ranges that ascend, and are asked for in that order, cost least.
  RangeReader(const File& file, std::vector<Range> ranges);

  // The bytes of range number `index`, until the next call. 0, or what the system said
  // (-errno) of this very range; file_ends when the file does, before its end.
  static constexpr int file_ends = INT_MIN;  // no errno: those of a disk may be any
  int read(size_t index, std::string_view& bytes);

 private:
  const File& file_;
  std::vector<Range> ranges_;
  int64_t size_;  // of the file, or why it is not known
  std::string buffer_;
  uint64_t start_ = 0;        // of the buffer
  uint64_t alone_until_ = 0;  // there something cannot be read: nothing is read together
};

}  // namespace impulse::spool
