#include "spool/read_only_files.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace impulse::spool {

int ReadOnlyFiles::open(const std::string& path, int flags, mode_t mode) {
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0) return -EROFS;
  return under_->open(path, flags, mode);
}

void ReadOnlyFiles::close(int fd) {
  {
    const std::lock_guard lock(mutex_);
    sizes_.erase(fd);
  }
  under_->close(fd);
}

int64_t ReadOnlyFiles::size(int fd) {
  const std::lock_guard lock(mutex_);
  if (const auto known = sizes_.find(fd); known != sizes_.end()) return static_cast<int64_t>(known->second);
  const int64_t size = under_->size(fd);
  if (size >= 0) sizes_[fd] = static_cast<uint64_t>(size);
  return size;
}

ssize_t ReadOnlyFiles::pread(int fd, char* to, size_t count, uint64_t offset) {
  const ssize_t got = under_->pread(fd, to, count, offset);
  if (got != 0) return got;
  const int64_t size = this->size(fd);
  if (size <= 0 || offset >= static_cast<uint64_t>(size)) return 0;
  count = static_cast<size_t>(std::min<uint64_t>(count, static_cast<uint64_t>(size) - offset));
  std::memset(to, 0, count);
  return static_cast<ssize_t>(count);
}

ssize_t ReadOnlyFiles::pwritev(int, const iovec*, int, uint64_t) { return -EROFS; }
int ReadOnlyFiles::sync_data(int) { return -EROFS; }
int ReadOnlyFiles::sync_file(int) { return -EROFS; }
int ReadOnlyFiles::start_writing(int, uint64_t, uint64_t) { return -EROFS; }
int ReadOnlyFiles::drop_cache(int) { return -EROFS; }
int ReadOnlyFiles::truncate(int, uint64_t) { return -EROFS; }
int ReadOnlyFiles::lock(int) { return -EROFS; }
int ReadOnlyFiles::unlink(const std::string&) { return -EROFS; }
int ReadOnlyFiles::rename(const std::string&, const std::string&) { return -EROFS; }
int ReadOnlyFiles::make_directories(const std::string&, mode_t) { return -EROFS; }
int ReadOnlyFiles::sync_directory(const std::string&) { return -EROFS; }

}  // namespace impulse::spool
