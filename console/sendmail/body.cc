#include "console/sendmail/body.h"

#include "base/files.h"
#include "console/sendmail/identity.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

namespace impulse::sendmail {
namespace {

Outcome<UniqueFd> make_file() {
  std::string folder = environment("TMPDIR");
  if (folder.empty()) folder = "/tmp";
  if (UniqueFd file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)); file) return file;
  // Not every file system knows files without a name.
  std::string path = folder + "/ec_sendmail.XXXXXX";
  UniqueFd file(::mkostemp(path.data(), O_CLOEXEC));
  if (!file) return fail_with(EX_CANTCREAT, "a temporary file in " + folder + ": " + errno_text(errno));
  ::unlink(path.c_str());
  return file;
}

}  // namespace

Outcome<> Body::add(std::string_view bytes) {
  measured_.size += bytes.size();
  for (const char c : bytes) {
    if (c == '\0') return fail_with(EX_DATAERR, "there is a NUL in the message");
    measured_.eight_bit |= (static_cast<unsigned char>(c) & 0x80) != 0;
    // A CR or LF alone is a byte here and two on the wire.
    measured_.size += (c == '\n' && last_ != '\r') || (last_ == '\r' && c != '\n') ? 1 : 0;
    last_ = c;
  }
  memory_ += bytes;
  return memory_.size() > kept_in_memory ? spill() : Outcome<>();
}

Outcome<> Body::spill() {
  if (!file_) {
    auto made = make_file();
    if (!made) return std::unexpected(made.error());
    file_ = std::move(*made);
  }
  if (const auto written = write_all(file_.get(), memory_); !written)
    return fail_with(EX_IOERR, "the temporary file: " + written.error().message);
  in_file_ += memory_.size();
  memory_.clear();
  return {};
}

smtp::DataMeasure Body::measure() const {
  smtp::DataMeasure result = measured_;
  if (last_ == '\r') result.size += 1;
  if (last_ != '\r' && last_ != '\n') result.size += 2;
  return result;
}

Outcome<> Body::read(const std::function<Outcome<>(std::string_view)>& take) const {
  std::vector<char> piece(in_file_ == 0 ? 0 : size_t{64} << 10);
  for (uint64_t at = 0; at < in_file_;) {
    const ssize_t got =
        ::pread(file_.get(), piece.data(), std::min<uint64_t>(piece.size(), in_file_ - at), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail_with(EX_IOERR, "the temporary file: " + errno_text(got == 0 ? EIO : errno));
    if (auto done = take({piece.data(), static_cast<size_t>(got)}); !done) return done;
    at += static_cast<uint64_t>(got);
  }
  return take(memory_);
}

}  // namespace impulse::sendmail
