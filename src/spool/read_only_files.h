// ReadOnlyFiles: file operations that only read, and see each file as long as it
// was when that was first asked, whatever its daemon does to it meanwhile.
#pragma once

#include "spool/file_ops.h"

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace impulse::spool {

// What would change something fails with -EROFS. Any thread.
class ReadOnlyFiles final : public FileOps {
 public:
  explicit ReadOnlyFiles(std::shared_ptr<FileOps> under) : under_(std::move(under)) {}

  int open(const std::string& path, int flags, mode_t mode) override;
  void close(int fd) override;
  // Zeros behind the end of what was cut meanwhile: a seal cuts nothing else off.
  ssize_t pread(int fd, char* to, size_t count, uint64_t offset) override;
  int64_t size(int fd) override;
  int list(const std::string& path, std::vector<std::string>& names) override { return under_->list(path, names); }
  int space(const std::string& path, Space& space) override { return under_->space(path, space); }

  ssize_t pwritev(int fd, const iovec* parts, int count, uint64_t offset) override;
  int sync_data(int fd) override;
  int sync_file(int fd) override;
  int start_writing(int fd, uint64_t offset, uint64_t length) override;
  int drop_cache(int fd) override;
  int truncate(int fd, uint64_t size) override;
  int lock(int fd) override;
  int unlink(const std::string& path) override;
  int rename(const std::string& from, const std::string& to) override;
  int make_directories(const std::string& path, mode_t mode) override;
  int sync_directory(const std::string& path) override;

 private:
  std::shared_ptr<FileOps> under_;
  std::mutex mutex_;
  std::unordered_map<int, uint64_t> sizes_;
};

}  // namespace impulse::spool
