#include "fake_disk.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace impulse::spool::kit {

namespace {

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

void FakeDisk::set_fault(std::function<int(Call, uint64_t)> fault) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
}
void FakeDisk::die_at(uint64_t n) {
  const std::lock_guard lock(mutex_);
  die_at_ = n;
}
void FakeDisk::die_now() {
  const std::lock_guard lock(mutex_);
  die_at_ = calls_;
}
bool FakeDisk::dead() const {
  const std::lock_guard lock(mutex_);
  return calls_ >= die_at_;
}
uint64_t FakeDisk::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

int FakeDisk::begin(Call call) {
  dying_ = false;
  if (calls_ >= die_at_) return -EIO;
  ++calls_;
  dying_ = calls_ == die_at_;
  if (const int err = fault_ ? fault_(call, calls_) : 0; err != 0) return -err;
  return 0;
}

void FakeDisk::restart(bool power_loss) {
  const std::lock_guard lock(mutex_);
  open_.clear();
  die_at_ = UINT64_MAX;
  if (!power_loss) {
    for (const auto& [path, inode] : now_) inode->locked = false;
    return;
  }
  std::map<std::string, InodePtr> names;
  for (const auto& [path, inode] : durable_)
    if (now_.contains(path) || coin()) names[path] = inode;
  for (const auto& [path, inode] : now_)
    if (durable_.contains(path) ? durable_[path] != inode && coin() : coin()) names[path] = inode;
  now_ = durable_ = std::move(names);
  std::set<Inode*> seen;
  for (const auto& [path, inode] : now_) {
    if (!seen.insert(inode.get()).second) continue;
    inode->locked = false;
    flush(*inode, false);
    inode->now = inode->durable;
  }
}

// Makes dirty sectors durable: all, or some. The kernel takes them for clean
// afterwards, also those that failed; the file's size it tries again.
void FakeDisk::flush(Inode& inode, bool all) {
  if (inode.size_dirty && (all || coin())) {
    inode.durable.resize(inode.now.size(), '\0');
    inode.size_dirty = false;
  }
  for (const uint64_t number : inode.dirty) {
    if (!all && coin()) continue;
    const uint64_t from = number * sector;
    const uint64_t to = std::min<uint64_t>({from + sector, inode.now.size(), inode.durable.size()});
    if (from < to) inode.durable.replace(from, to - from, inode.now, from, to - from);
  }
  inode.dirty.clear();
}

void FakeDisk::put(Inode& inode, uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  const uint64_t end = offset + bytes.size();
  const uint64_t old = inode.now.size();
  if (end > old) {
    inode.now.resize(end, '\0');
    inode.size_dirty = true;
  }
  inode.now.replace(offset, bytes.size(), bytes);
  for (uint64_t s = std::min(offset, std::max(old, offset)) / sector; s * sector < end; ++s) inode.dirty.insert(s);
}

std::vector<std::string> FakeDisk::names(const std::string& folder) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [path, inode] : now_)
    if (folder_of(path) == folder) names.push_back(path.substr(folder.size() + 1));
  return names;
}
std::string FakeDisk::content(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = now_.find(path);
  return found == now_.end() ? "" : found->second->now;
}
void FakeDisk::set_content(const std::string& path, std::string content) {
  const std::lock_guard lock(mutex_);
  auto inode = std::make_shared<Inode>();
  inode->now = inode->durable = std::move(content);
  now_[path] = durable_[path] = inode;
}

void FakeDisk::spoil(const std::string& path, size_t at) {
  const std::lock_guard lock(mutex_);
  Inode& inode = *now_.at(path);
  inode.now.at(at) ^= 1;
  inode.durable.at(at) ^= 1;
}

void FakeDisk::set_open_fault(std::function<int(const std::string& path)> fault) {
  const std::lock_guard lock(mutex_);
  open_fault_ = std::move(fault);
}

void FakeDisk::set_read_fault(std::function<int(const std::string& path, uint64_t from, uint64_t to)> fault) {
  const std::lock_guard lock(mutex_);
  read_fault_ = std::move(fault);
}

int FakeDisk::open(const std::string& path, int flags, mode_t) {
  const std::lock_guard lock(mutex_);
  auto found = now_.find(path);
  if ((flags & O_CREAT) != 0 && (found == now_.end() || (flags & (O_EXCL | O_TRUNC)) != 0)) {
    if (const int result = begin(Call::open); result < 0) return result;
    if (found != now_.end() && (flags & O_EXCL) != 0) return -EEXIST;
    if (found == now_.end()) found = now_.emplace(path, std::make_shared<Inode>()).first;
    if ((flags & O_TRUNC) != 0) found->second->now.clear(), found->second->size_dirty = true;
  }
  if (found == now_.end()) return -ENOENT;
  if (const int err = open_fault_ ? open_fault_(path) : 0; err != 0) return -err;
  open_[next_fd_] = found->second;
  return next_fd_++;
}
void FakeDisk::close(int fd) {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(fd);
  if (found == open_.end()) return;
  found->second->locked = false;
  open_.erase(found);
}
ssize_t FakeDisk::pread(int fd, char* to, size_t count, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(fd);
  if (found == open_.end()) return -EBADF;
  const std::string& bytes = found->second->now;
  if (offset >= bytes.size()) return 0;
  count = std::min<size_t>(count, bytes.size() - offset);
  if (read_fault_)
    for (const auto& [path, inode] : now_)
      if (inode == found->second)
        if (const int err = read_fault_(path, offset, offset + count); err != 0) return -err;
  std::memcpy(to, bytes.data() + offset, count);
  return static_cast<ssize_t>(count);
}

ssize_t FakeDisk::pwritev(int fd, const iovec* parts, int count, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const int result = begin(Call::write);
  const auto found = open_.find(fd);
  if (found == open_.end()) return -EBADF;
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  // A write that fails, or in which the process dies, may have done some of it.
  if (result < 0 || dying_) {
    if (dying_ || calls_ < die_at_) put(*found->second, offset, bytes.substr(0, random_() % (bytes.size() + 1)));
    return result < 0 ? result : -EIO;
  }
  if (short_writes && bytes.size() > 1 && coin()) bytes.resize(1 + random_() % bytes.size());
  put(*found->second, offset, bytes);
  return static_cast<ssize_t>(bytes.size());
}

int FakeDisk::sync(int fd) {
  const std::lock_guard lock(mutex_);
  const int result = begin(Call::sync);
  const auto found = open_.find(fd);
  if (found == open_.end()) return -EBADF;
  if (result < 0 && !dying_ && calls_ >= die_at_) return result;
  if (dying_) {  // what was not written yet stays dirty: the kernel lives on
    const auto dirty = found->second->dirty;
    flush(*found->second, false);
    found->second->dirty = dirty;
    return -EIO;
  }
  flush(*found->second, result == 0);
  return result == 0 ? 0 : -EIO;
}

int FakeDisk::drop_cache(int fd) {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(fd);
  if (found == open_.end()) return -EBADF;
  Inode& inode = *found->second;
  for (uint64_t at = 0; at < inode.now.size(); at += sector) {
    if (inode.dirty.contains(at / sector)) continue;
    const uint64_t length = std::min<uint64_t>(sector, inode.now.size() - at);
    std::string bytes = at < inode.durable.size() ? inode.durable.substr(at, length) : "";
    bytes.resize(length, '\0');
    inode.now.replace(at, length, bytes);
  }
  return 0;
}
int FakeDisk::truncate(int fd, uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (const int result = begin(Call::truncate); result < 0) return result;
  const auto found = open_.find(fd);
  if (found == open_.end()) return -EBADF;
  Inode& inode = *found->second;
  if (inode.now.size() != size) inode.size_dirty = true;
  inode.now.resize(size, '\0');
  return dying_ ? -EIO : 0;
}
int64_t FakeDisk::size(int fd) {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(fd);
  return found == open_.end() ? -EBADF : static_cast<int64_t>(found->second->now.size());
}
int FakeDisk::lock(int fd) {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(fd);
  if (found == open_.end()) return -EBADF;
  if (found->second->locked) return -EWOULDBLOCK;
  found->second->locked = true;
  return 0;
}

int FakeDisk::unlink(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const int result = begin(Call::unlink); result < 0) return result;
  return now_.erase(path) > 0 ? (dying_ ? -EIO : 0) : -ENOENT;
}
int FakeDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (const int result = begin(Call::rename); result < 0) return result;
  const auto found = now_.find(from);
  if (found == now_.end()) return -ENOENT;
  now_[to] = found->second;
  now_.erase(from);
  return dying_ ? -EIO : 0;
}
int FakeDisk::make_directories(const std::string&, mode_t) { return 0; }
int FakeDisk::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const int result = begin(Call::sync_names); result < 0) return result;
  if (dying_) return -EIO;
  std::erase_if(durable_,
                [&](const auto& name) { return folder_of(name.first) == path && !now_.contains(name.first); });
  for (const auto& [name, inode] : now_)
    if (folder_of(name) == path) durable_[name] = inode;
  return 0;
}
int FakeDisk::list(const std::string& path, std::vector<std::string>& out) {
  out = names(path);
  return 0;
}
int FakeDisk::space(const std::string&, Space& space) {
  const std::lock_guard lock(mutex_);
  if (const int err = fault_ ? fault_(Call::space, 0) : 0; err != 0) return -err;
  space = {free_bytes, 1ULL << 40, free_inodes, 1000};
  return 0;
}

}  // namespace impulse::spool::kit
