#include "telemetry/log_file.h"

#include "base/text.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

namespace impulse::telemetry {
namespace {

constexpr std::string_view stamp_form = "dddddddd.dddddd.ddd.";  // d: a digit

// With O_NONBLOCK while opening, so that a FIFO without a reader is an error
// (ENXIO) instead of a wait.
Result<UniqueFd> open_for_append(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
  if (!fd) return fail_errno(errno, fmt::format("cannot open log {}", path));
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK) < 0) {
    return fail_errno(errno, fmt::format("cannot open log {}", path));
  }
  return fd;
}

int64_t slot(WallTime time, Duration interval) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count() /
         std::max<int64_t>(1, std::chrono::duration_cast<std::chrono::seconds>(interval).count());
}

bool ends_in_a_line(const std::string& path, uint64_t size) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  char last = '\n';
  return !fd || ::pread(fd.get(), &last, 1, static_cast<off_t>(size - 1)) != 1 || last == '\n';
}

}  // namespace

std::string rotation_stamp(WallTime time) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
  const auto seconds =
      static_cast<std::time_t>(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
  return fmt::format("{:%Y%m%dT%H%M%S}.{:03}Z", fmt::gmtime(seconds), ((ms % 1000) + 1000) % 1000);
}

bool is_rotation_stamp(std::string_view text) {
  if (text.size() != stamp_form.size()) return false;
  for (size_t i = 0; i < text.size(); ++i)
    if (stamp_form[i] == 'd' && !is_digit(text[i])) return false;
  return text[8] == 'T' && text[15] == '.' && text[19] == 'Z';
}

LogFile::LogFile(UniqueFd fd) : fd_(std::move(fd)) { look(); }

LogFile::LogFile(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) { look_again(); }

void LogFile::look_again() {
  look();
  torn_ = regular_ && size_ > 0 && !ends_in_a_line(path_, size_);
}

Result<LogFile> LogFile::open(const std::string& path) {
  auto fd = open_for_append(path);
  if (!fd) return std::unexpected(fd.error());
  return LogFile(path, std::move(*fd));
}

void LogFile::look() {
  struct stat status{};
  regular_ = ::fstat(fd_.get(), &status) == 0 && S_ISREG(status.st_mode);
  size_ = regular_ ? static_cast<uint64_t>(status.st_size) : 0;
  if (size_ > 0) began_ = WallTime(std::chrono::seconds(status.st_mtim.tv_sec));
}

void LogFile::wrote(std::string_view bytes, WallTime now) {
  if (bytes.empty()) return;
  if (size_ == 0) began_ = now;
  size_ += bytes.size();
  torn_ = bytes.back() != '\n';
}

size_t LogFile::allowance(std::string_view bytes, const Rotation& rotation) const {
  if (rotation.size == 0 || path_.empty() || !regular_) return bytes.size();
  const uint64_t room = rotation.size > size_ ? rotation.size - size_ : 1;
  if (bytes.size() <= room) return bytes.size();
  const size_t end = bytes.find('\n', room - 1);
  return end == std::string_view::npos ? bytes.size() : end + 1;
}

bool LogFile::due(const Rotation& rotation, WallTime now) {
  if (path_.empty() || !regular_ || size_ == 0) return false;
  if (rotation.size > 0 && size_ >= rotation.size) {
    struct stat status{};  // who copies and truncates it leaves less in it
    if (::fstat(fd_.get(), &status) == 0) size_ = static_cast<uint64_t>(status.st_size);
    if (size_ >= rotation.size) return true;
  }
  if (rotation.interval <= Duration{0} || size_ == 0) return false;
  const int64_t here = slot(now, rotation.interval);
  if (here < slot(began_, rotation.interval)) began_ = now;  // the clock was set back
  return here > slot(began_, rotation.interval);
}

WallTime LogFile::next_look(const Rotation& rotation) const {
  if (path_.empty() || !regular_ || size_ == 0 || rotation.interval <= Duration{0}) return WallTime::max();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(rotation.interval);
  return WallTime((slot(began_, rotation.interval) + 1) * std::max(seconds, std::chrono::seconds(1)));
}

bool LogFile::moved() const {
  struct stat here{};
  struct stat there{};
  return !path_.empty() && ::fstat(fd_.get(), &here) == 0 &&
         (::stat(path_.c_str(), &there) != 0 || here.st_dev != there.st_dev || here.st_ino != there.st_ino);
}

std::string LogFile::place() const {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path_.c_str(), nullptr), &std::free);
  return real ? std::string(real.get()) : path_;
}

Result<std::string> LogFile::rotate(WallTime now) {
  std::string name;
  const std::string here = place();
  struct stat status{};
  const bool known = ::fstat(fd_.get(), &status) == 0;
  if (!moved()) {
    // Never twice the same, and never before the last, whatever the clock does.
    for (now = std::max(now, stamped_ + std::chrono::milliseconds(1));; now += std::chrono::milliseconds(1)) {
      name = here + "." + rotation_stamp(now);
      if (::access((name + ".gz").c_str(), F_OK) == 0) continue;
      if (::renameat2(AT_FDCWD, here.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) == 0) break;
      if (errno != EEXIST) return fail_errno(errno, fmt::format("cannot rotate log {}", path_));
    }
    stamped_ = now;
  }
  auto next = open_for_append(path_);
  if (!next) {
    if (!name.empty()) ::renameat2(AT_FDCWD, name.c_str(), AT_FDCWD, here.c_str(), RENAME_NOREPLACE);
    return std::unexpected(next.error());
  }
  if (known) ::fchmod(next->get(), status.st_mode & 0777);
  fd_ = std::move(*next);
  torn_ = false;
  look();
  return name;
}

}  // namespace impulse::telemetry
