#include "spool/file_ops.h"

#include "base/files.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace impulse::spool {

namespace {

int code(int result) { return result < 0 ? -errno : result; }

class SystemFiles final : public FileOps {
 public:
  int open(const std::string& path, int flags, mode_t mode) override {
    return code(::open(path.c_str(), flags | O_CLOEXEC, mode));
  }
  void close(int fd) override { ::close(fd); }
  ssize_t pread(int fd, char* to, size_t count, uint64_t offset) override {
    for (;;) {
      const ssize_t got = ::pread(fd, to, count, static_cast<off_t>(offset));
      if (got >= 0) return got;
      if (errno != EINTR) return -errno;
    }
  }
  ssize_t pwritev(int fd, const iovec* parts, int count, uint64_t offset) override {
    for (;;) {
      const ssize_t put = ::pwritev(fd, parts, count, static_cast<off_t>(offset));
      if (put >= 0) return put;
      if (errno != EINTR) return -errno;
    }
  }
  int sync_data(int fd) override { return code(::fdatasync(fd)); }
  int sync_file(int fd) override { return code(::fsync(fd)); }
  int start_writing(int fd, uint64_t offset, uint64_t length) override {
    return code(
        ::sync_file_range(fd, static_cast<off64_t>(offset), static_cast<off64_t>(length), SYNC_FILE_RANGE_WRITE));
  }
  int drop_cache(int fd) override { return -::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); }
  int truncate(int fd, uint64_t size) override { return code(::ftruncate(fd, static_cast<off_t>(size))); }
  int64_t size(int fd) override {
    struct stat status{};
    return ::fstat(fd, &status) != 0 ? -errno : status.st_size;
  }
  int lock(int fd) override { return code(::flock(fd, LOCK_EX | LOCK_NB)); }
  int unlink(const std::string& path) override { return code(::unlink(path.c_str())); }
  int rename(const std::string& from, const std::string& to) override {
    return code(::rename(from.c_str(), to.c_str()));
  }
  int make_directories(const std::string& path, mode_t mode) override {
    errno = 0;
    if (impulse::make_directories(path, mode)) return 0;
    return errno != 0 && errno != EEXIST ? -errno : -ENOTDIR;  // something else has the name
  }
  int sync_directory(const std::string& path) override {
    const int fd = open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return fd;
    const int result = sync_file(fd);
    close(fd);
    return result;
  }
  int list(const std::string& path, std::vector<std::string>& names) override {
    std::error_code error;
    std::filesystem::directory_iterator folder(path, error);
    while (!error && folder != std::filesystem::directory_iterator()) {
      names.push_back(folder->path().filename().string());
      folder.increment(error);
    }
    return -error.value();
  }
  int space(const std::string& path, Space& space) override {
    struct statvfs status{};
    if (::statvfs(path.c_str(), &status) != 0) return -errno;
    space.free = uint64_t{status.f_bavail} * status.f_frsize;
    space.total = uint64_t{status.f_blocks} * status.f_frsize;
    space.free_inodes = status.f_favail;
    space.total_inodes = status.f_files;
    return 0;
  }
};

}  // namespace

std::shared_ptr<FileOps> system_files() { return std::make_shared<SystemFiles>(); }

int File::read(char* to, size_t count, uint64_t offset) const {
  while (count > 0) {
    const ssize_t got = ops_->pread(fd_, to, count, offset);
    if (got < 0) return static_cast<int>(got);
    if (got == 0) return -EIO;
    to += got;
    count -= static_cast<size_t>(got);
    offset += static_cast<uint64_t>(got);
  }
  return 0;
}

int File::write(std::vector<iovec>& parts, uint64_t offset) const {
  size_t next = 0;
  while (next < parts.size()) {
    const auto count = static_cast<int>(std::min<size_t>(parts.size() - next, IOV_MAX));
    ssize_t put = ops_->pwritev(fd_, &parts[next], count, offset);
    if (put < 0) return static_cast<int>(put);
    // Nothing written and no error: the next call says why; but never spin.
    if (put == 0) return -ENOSPC;
    offset += static_cast<uint64_t>(put);
    while (next < parts.size() && static_cast<size_t>(put) >= parts[next].iov_len)
      put -= static_cast<ssize_t>(parts[next++].iov_len);
    if (next < parts.size()) {
      parts[next].iov_base = static_cast<char*>(parts[next].iov_base) + put;
      parts[next].iov_len -= static_cast<size_t>(put);
    }
  }
  return 0;
}

int File::write(std::string_view bytes, uint64_t offset) const {
  std::vector<iovec> parts{{const_cast<char*>(bytes.data()), bytes.size()}};
  return write(parts, offset);
}

}  // namespace impulse::spool
