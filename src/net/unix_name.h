// UnixName: the name of a Unix listening socket in the file system. The socket
// is bound under a temporary name in the same folder and renamed over its own,
// so that the own name always leads to a socket that listens. net/ only.
#pragma once

#include "base/fd.h"
#include "base/result.h"

#include <sys/stat.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

namespace impulse::net {

// The name to bind; one byte longer than `path`, since paths of sockets are
// short of room.
inline std::string temporary_name(std::string_view path) { return std::string(path) + "~"; }
// The way back: the kernel goes on reporting the name a socket was bound under.
inline std::string published_name(std::string_view bound) {
  if (bound.ends_with('~')) bound.remove_suffix(1);
  return std::string(bound);
}

// An advisory lock on a file of its own, which goes with the lock.
class FileLock {
 public:
  // Errc::exists when another holds it.
  static Result<std::shared_ptr<FileLock>> take(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  FileLock(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  UniqueFd fd_;
};

class UnixName {
 public:
  // Locks "<path>.lock" and clears the way: a socket nobody listens on is
  // removed, a living one or something else than a socket is Errc::exists.
  // `held` is the lock of the socket of ours that is being replaced, if any:
  // then what is at `path` stays until publish().
  static Result<std::unique_ptr<UnixName>> claim(const std::string& path, std::shared_ptr<FileLock> held);
  ~UnixName();  // removes the names that are still ours
  UnixName(const UnixName&) = delete;
  UnixName& operator=(const UnixName&) = delete;

  const std::shared_ptr<FileLock>& lock() const { return lock_; }
  Result<> bound(mode_t mode);  // after bind() to temporary_name()
  void publish() noexcept;
  void set_mode(mode_t mode) noexcept;
  bool remove() noexcept;  // true: a name was still ours, and has gone

 private:
  UnixName(std::string path, std::shared_ptr<FileLock> lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  bool is_ours(const std::string& name) const noexcept;

  std::string path_;
  std::shared_ptr<FileLock> lock_;
  bool bound_ = false;
  dev_t device_ = 0;  // of the socket's inode, which cannot be used again while the socket lives
  ino_t inode_ = 0;
};

}  // namespace impulse::net
