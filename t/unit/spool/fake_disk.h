// FakeDisk: a file system in memory that can fail, write short, kill its
// process and lose power. What is not synced may be lost, sector by sector, in
// any order; names too, until their folder is synced. After a failed sync the
// dirty sectors are clean, whether they reached the disk or not, as on Linux.
#pragma once

#include "spool/file_ops.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool::kit {

enum class Call { open, write, sync, sync_names, truncate, unlink, rename, space };

class FakeDisk final : public FileOps {
 public:
  explicit FakeDisk(unsigned seed) : random_(seed) {}

  // Asked for each call that changes something, numbered from 1 (and, with 0,
  // for the free space): an errno to fail with, or 0.
  void set_fault(std::function<int(Call call, uint64_t number)> fault);
  // Asked when a file that is there is opened: an errno, or 0.
  void set_open_fault(std::function<int(const std::string& path)> fault);
  // Asked when bytes [from, to) of a file are read: an errno, or 0.
  void set_read_fault(std::function<int(const std::string& path, uint64_t from, uint64_t to)> fault);
  // From call number `n` on nothing happens any more: the process was killed,
  // in the middle of that call.
  void die_at(uint64_t n);
  void die_now();
  bool dead() const;
  uint64_t calls() const;
  std::atomic<bool> short_writes = false;
  std::atomic<uint64_t> free_bytes = 1ULL << 40;
  std::atomic<uint64_t> free_inodes = 1000;  // of as many

  // The process is gone; a new one may come. With `power_loss` everything that
  // was not durable is a matter of luck.
  void restart(bool power_loss);

  // A file's content, as it is now; and changing it behind the spool's back.
  std::vector<std::string> names(const std::string& folder) const;
  std::string content(const std::string& path) const;
  void set_content(const std::string& path, std::string content);
  void spoil(const std::string& path, size_t at);  // a byte, also for who has it open

  int open(const std::string& path, int flags, mode_t mode) override;
  void close(int fd) override;
  ssize_t pread(int fd, char* to, size_t count, uint64_t offset) override;
  ssize_t pwritev(int fd, const iovec* parts, int count, uint64_t offset) override;
  int sync_data(int fd) override { return sync(fd); }
  int sync_file(int fd) override { return sync(fd); }
  int start_writing(int, uint64_t, uint64_t) override { return 0; }
  int drop_cache(int fd) override;
  int truncate(int fd, uint64_t size) override;
  int64_t size(int fd) override;
  int lock(int fd) override;
  int unlink(const std::string& path) override;
  int rename(const std::string& from, const std::string& to) override;
  int make_directories(const std::string& path, mode_t mode) override;
  int sync_directory(const std::string& path) override;
  int list(const std::string& path, std::vector<std::string>& names) override;
  int space(const std::string& path, Space& space) override;

 private:
  static constexpr uint64_t sector = 512;
  struct Inode {
    std::string now;
    std::string durable;
    std::set<uint64_t> dirty;  // sectors
    bool size_dirty = false;
    bool locked = false;
  };
  using InodePtr = std::shared_ptr<Inode>;

  int begin(Call call);  // 0: go on; else -errno
  bool coin() { return (random_() & 1) != 0; }
  int sync(int fd);
  void flush(Inode& inode, bool all);
  static void put(Inode& inode, uint64_t offset, std::string_view bytes);

  mutable std::mutex mutex_;
  std::mt19937 random_;
  std::function<int(Call, uint64_t)> fault_;
  std::function<int(const std::string&)> open_fault_;
  std::function<int(const std::string&, uint64_t, uint64_t)> read_fault_;
  std::map<std::string, InodePtr> now_;
  std::map<std::string, InodePtr> durable_;
  std::map<int, InodePtr> open_;
  int next_fd_ = 3;
  uint64_t calls_ = 0;
  uint64_t die_at_ = UINT64_MAX;
  bool dying_ = false;  // in this very call
};

}  // namespace impulse::spool::kit
