#include "base/files.h"

#include "base/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace impulse {

Result<std::string> read_file(const std::string& path, size_t limit) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno(errno, path);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail_errno(errno, path);
  if (!S_ISREG(status.st_mode)) return fail(Errc::invalid, "{}: not a regular file", path);
  std::string content;
  content.reserve(std::min(limit, static_cast<size_t>(status.st_size) + 1));
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, path);
    if (got == 0) return content;
    if (content.size() + static_cast<size_t>(got) > limit)
      return fail(Errc::invalid, "{}: larger than {} bytes", path, limit);
    content.append(buffer, static_cast<size_t>(got));
  }
}

Result<> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, "write");
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return {};
}

Result<> sync_directory(const std::string& path) {
  UniqueFd fd(::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno(errno, path);
  if (::fsync(fd.get()) != 0) return fail_errno(errno, path);
  return {};
}

Result<> replace_file(const std::string& path, std::string_view content, mode_t mode) {
  const std::string temporary = fmt::format("{}.tmp.{}", path, ::getpid());
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd) return fail_errno(errno, temporary);
  auto written = write_all(fd.get(), content);
  if (written && ::fchmod(fd.get(), mode) != 0) written = fail_errno(errno, temporary);
  if (written && ::fsync(fd.get()) != 0) written = fail_errno(errno, temporary);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) written = fail_errno(errno, path);
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  return sync_directory(std::filesystem::path(path).parent_path().string());
}

Result<> make_directories(const std::string& path, mode_t mode) {
  std::filesystem::path made;
  for (const auto& part : std::filesystem::path(path)) {
    made /= part;
    if (::mkdir(made.c_str(), mode) != 0 && errno != EEXIST && errno != EISDIR) {
      const int err = errno;
      std::error_code ignored;
      if (!std::filesystem::is_directory(made, ignored)) {
        errno = err;  // for callers that look there
        return fail_errno(err, made.string());
      }
    }
  }
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return fail(Errc::io, "{}: not a directory", path);
  return {};
}

}  // namespace impulse
