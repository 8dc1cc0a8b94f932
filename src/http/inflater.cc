#include "http/inflater.h"

#include <zlib.h>

#include <algorithm>
#include <array>

namespace impulse::http {

namespace {

constexpr uint64_t step = uint64_t{1} << 20;  // how often the expansion is looked at

}  // namespace

struct Inflater::Stream {
  z_stream z{};
  bool ready = false;
};

Inflater::Inflater(Coding coding, uint64_t max_size, uint32_t max_expansion)
    : stream_(std::make_unique<Stream>()),
      max_size_(max_size),
      max_expansion_(max_expansion),
      members_(coding == Coding::gzip) {
  const int window = coding == Coding::gzip ? MAX_WBITS + 16 : MAX_WBITS;
  stream_->ready = inflateInit2(&stream_->z, window) == Z_OK;
}

Inflater::~Inflater() {
  if (stream_->ready) inflateEnd(&stream_->z);
}

// Output is looked at where it crosses a bound, and never elsewhere: the verdict
// must not depend on how the input was cut.
Inflater::Verdict Inflater::feed(std::string_view bytes, std::string& out) {
  if (!stream_->ready) return Verdict::no_memory;
  z_stream& z = stream_->z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // zlib does not write there
  z.avail_in = static_cast<uInt>(bytes.size());
  std::array<char, 16384> piece;
  while (true) {
    if (ended_) {
      if (z.avail_in == 0) return Verdict::good;
      if (!members_ || inflateReset(&z) != Z_OK) return Verdict::broken;
      ended_ = false;
    }
    const uint64_t to_bound = std::min(max_size_ + 1, (came_out_ / step + 1) * step) - came_out_;
    z.next_out = reinterpret_cast<Bytef*>(piece.data());
    z.avail_out = static_cast<uInt>(std::min<uint64_t>(piece.size(), to_bound));
    const uInt room = z.avail_out;
    const uInt there = z.avail_in;
    const int done = inflate(&z, Z_NO_FLUSH);
    const size_t made = room - z.avail_out;
    out.append(piece.data(), made);
    went_in_ += there - z.avail_in;
    came_out_ += made;
    if (came_out_ > max_size_) return Verdict::too_large;
    if (max_expansion_ != 0 && made > 0 && came_out_ % step == 0 && came_out_ / max_expansion_ > went_in_)
      return Verdict::bomb;
    if (done == Z_STREAM_END)
      ended_ = true;
    else if (done == Z_MEM_ERROR)
      return Verdict::no_memory;
    else if (done != Z_OK && done != Z_BUF_ERROR)
      return Verdict::broken;
    else if (made == 0 && z.avail_in == 0)
      return Verdict::good;
    else if (done == Z_BUF_ERROR && made == 0)
      return Verdict::broken;
  }
}

Inflater::Verdict Inflater::finish() const { return ended_ ? Verdict::good : Verdict::broken; }

}  // namespace impulse::http
