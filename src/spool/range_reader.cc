#include "spool/range_reader.h"

#include <algorithm>
#include <utility>

namespace impulse::spool {

namespace {

constexpr uint64_t most_at_once = 1 << 20;
// To read so much for nothing is no dearer than another read.
constexpr uint64_t most_between = 16 << 10;

}  // namespace

RangeReader::RangeReader(const File& file, std::vector<Range> ranges)
    : file_(file), ranges_(std::move(ranges)), size_(file.ops().size(file.fd())) {}

int RangeReader::read(size_t index, std::string_view& bytes) {
  const Range wanted = ranges_[index];
  const uint64_t wanted_end = wanted.offset + wanted.length;
  if (size_ < 0) return static_cast<int>(size_);
  if (wanted_end > static_cast<uint64_t>(size_)) return file_ends;
  if (wanted.offset < start_ || wanted_end > start_ + buffer_.size()) {
    uint64_t end = wanted_end;
    for (size_t next = index + 1; next < ranges_.size() && wanted.offset >= alone_until_; ++next) {
      const Range& range = ranges_[next];
      const uint64_t range_end = range.offset + range.length;
      if (range.offset < wanted.offset || range.offset > end + most_between ||
          range_end > wanted.offset + most_at_once || range_end > static_cast<uint64_t>(size_))
        break;
      end = std::max(end, range_end);
    }
    start_ = wanted.offset;
    buffer_.resize(end - start_);
    int result = file_.read(buffer_.data(), buffer_.size(), start_);
    if (result < 0 && end > wanted_end) {  // what cannot be read may be a neighbour's
      alone_until_ = end;
      buffer_.resize(wanted.length);
      result = file_.read(buffer_.data(), buffer_.size(), start_);
    }
    if (result < 0) {
      buffer_.clear();
      return result;
    }
  }
  bytes = std::string_view(buffer_).substr(wanted.offset - start_, wanted.length);
  return 0;
}

}  // namespace impulse::spool
