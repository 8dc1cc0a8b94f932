// FileOps: the few file operations the spool makes, so that tests can have
// them fail, tear and lose power. Everything returns -errno when it fails.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::spool {

// Of the file system a path is on.
struct Space {
  uint64_t free = 0;  // bytes, for us (not the superuser's reserve)
  uint64_t total = 0;
  uint64_t free_inodes = 0;   // files that can be made
  uint64_t total_inodes = 0;  // 0: they are not limited
};

class FileOps {
 public:
  virtual ~FileOps() = default;

  virtual int open(const std::string& path, int flags, mode_t mode) = 0;  // descriptor
  virtual void close(int fd) = 0;
  virtual ssize_t pread(int fd, char* to, size_t count, uint64_t offset) = 0;
  // May write less than asked, as the system call.
  virtual ssize_t pwritev(int fd, const iovec* parts, int count, uint64_t offset) = 0;
  virtual int sync_data(int fd) = 0;  // fdatasync
  virtual int sync_file(int fd) = 0;  // fsync
  // Asks the kernel to begin writing a range to the disk (sync_file_range); makes nothing durable.
  virtual int start_writing(int fd, uint64_t offset, uint64_t length) = 0;
  // Forgets what the kernel holds clean of the file (posix_fadvise): what is
  // read next is what the disk has.
  virtual int drop_cache(int fd) = 0;
  virtual int truncate(int fd, uint64_t size) = 0;
  virtual int64_t size(int fd) = 0;
  // Exclusive, until close; -EWOULDBLOCK when somebody else holds it.
  virtual int lock(int fd) = 0;

  virtual int unlink(const std::string& path) = 0;
  virtual int rename(const std::string& from, const std::string& to) = 0;
  virtual int make_directories(const std::string& path, mode_t mode) = 0;  // as mkdir -p; 0 when there
  virtual int sync_directory(const std::string& path) = 0;
  virtual int list(const std::string& path, std::vector<std::string>& names) = 0;
  virtual int space(const std::string& path, Space& space) = 0;
};

std::shared_ptr<FileOps> system_files();

// An open file, closed with its last owner: readers keep a segment readable
// although it is being removed.
class File {
 public:
  File(std::shared_ptr<FileOps> ops, int fd) : ops_(std::move(ops)), fd_(fd) {}
  ~File() { ops_->close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int fd() const { return fd_; }
  FileOps& ops() const { return *ops_; }
  // All of it: 0, or -errno; -EIO when the file ends before.
  int read(char* to, size_t count, uint64_t offset) const;
  // All of it, after short writes too; changes `parts`. 0 or -errno.
  int write(std::vector<iovec>& parts, uint64_t offset) const;
  int write(std::string_view bytes, uint64_t offset) const;

 private:
  std::shared_ptr<FileOps> ops_;
  int fd_;
};

}  // namespace impulse::spool
