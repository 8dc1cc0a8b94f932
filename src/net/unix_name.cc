#include "net/unix_name.h"

#include "base/endpoint.h"
#include "net/socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace impulse::net {

namespace {

// Nobody listens there: true. Errors are the reasons to keep away.
Result<bool> is_dead(const std::string& path) {
  const Endpoint endpoint = Endpoint::unix_socket(path);
  auto probe = stream_socket(endpoint);
  if (!probe) return std::unexpected(probe.error());
  sockaddr_storage storage{};
  const socklen_t length = endpoint.to_sockaddr(storage);
  if (::connect(probe->get(), reinterpret_cast<const sockaddr*>(&storage), length) == 0) return false;
  switch (errno) {
    case ECONNREFUSED:
    case ENOENT:
      return true;
    case EAGAIN:  // its queue is full
    case EINPROGRESS:
    case EPROTOTYPE:  // a living socket of another type
      return false;
    default:
      return fail_errno(errno, path + ": cannot see whether somebody listens there");
  }
}

// Clears `path` of a dead socket.
Result<> clear(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(errno, path);
  }
  if (!S_ISSOCK(status.st_mode)) return fail(Errc::exists, "{}: is there already, and is no socket", path);
  const auto dead = is_dead(path);
  if (!dead) return std::unexpected(dead.error());
  if (!*dead) return fail(Errc::exists, "{}: another process listens there", path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return fail_errno(errno, path + ": cannot remove the dead socket");
  return {};
}

}  // namespace

Result<std::shared_ptr<FileLock>> FileLock::take(const std::string& path) {
  for (;;) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!fd) return fail_errno(errno, path);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno == EWOULDBLOCK) return fail(Errc::exists, "{}: locked by another process", path);
      return fail_errno(errno, path);
    }
    // The holder before us may have removed the file between our open and our lock.
    struct stat held{}, named{};
    if (::fstat(fd.get(), &held) != 0) return fail_errno(errno, path);
    if (::lstat(path.c_str(), &named) != 0 || named.st_ino != held.st_ino || named.st_dev != held.st_dev) continue;
    return std::shared_ptr<FileLock>(new FileLock(path, std::move(fd)));
  }
}

FileLock::~FileLock() { ::unlink(path_.c_str()); }  // before the descriptor, and with it the lock, goes

Result<std::unique_ptr<UnixName>> UnixName::claim(const std::string& path, std::shared_ptr<FileLock> held) {
  constexpr size_t room = sizeof(sockaddr_un::sun_path) - 1;
  if (temporary_name(path).size() > room)
    return fail(Errc::invalid, "{}: socket path is {} bytes long, {} are possible", path, path.size(), room - 1);
  const bool replaces = held != nullptr;
  if (!replaces) {
    auto lock = FileLock::take(path + ".lock");
    if (!lock) return std::unexpected(lock.error());
    held = std::move(*lock);
  }
  std::unique_ptr<UnixName> name(new UnixName(path, std::move(held)));
  auto cleared = replaces ? Result<>() : clear(path);
  if (cleared) cleared = clear(temporary_name(path));
  if (!cleared) return std::unexpected(cleared.error());
  return name;
}

Result<> UnixName::bound(mode_t mode) {
  const std::string name = temporary_name(path_);
  struct stat status{};
  if (::lstat(name.c_str(), &status) != 0) return fail_errno(errno, name);
  device_ = status.st_dev;
  inode_ = status.st_ino;
  bound_ = true;
  if (::chmod(name.c_str(), mode) != 0) return fail_errno(errno, name + ": chmod");
  return {};
}

bool UnixName::is_ours(const std::string& name) const noexcept {
  struct stat status{};
  return bound_ && ::lstat(name.c_str(), &status) == 0 && status.st_ino == inode_ && status.st_dev == device_;
}

void UnixName::publish() noexcept {
  const std::string temporary = temporary_name(path_);
  if (is_ours(temporary)) ::rename(temporary.c_str(), path_.c_str());
}

void UnixName::set_mode(mode_t mode) noexcept {
  for (const std::string& name : {path_, temporary_name(path_)}) {
    if (is_ours(name)) ::chmod(name.c_str(), mode);
  }
}

bool UnixName::remove() noexcept {
  bool removed = false;
  for (const std::string& name : {path_, temporary_name(path_)}) {
    if (is_ours(name)) removed |= ::unlink(name.c_str()) == 0;
  }
  return removed;
}

UnixName::~UnixName() { remove(); }

}  // namespace impulse::net
