#include "spool/segment_files.h"

#include "spool/record.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace impulse::spool {

std::unexpected<Error> file_error(int64_t code, std::string_view what) {
  const int err = static_cast<int>(-code);
  if (err == EDQUOT || err == EFBIG) return fail(Errc::no_space, "{}: {}", what, errno_text(err));
  return fail_errno(err, what);
}

std::string SegmentFiles::path(uint32_t number) const { return base_ + "/" + segment_name(number); }

Result<std::shared_ptr<File>> SegmentFiles::create(uint32_t number) {
  const int fd = ops_->open(path(number), O_RDWR | O_CREAT | O_EXCL, mode_);
  if (fd < 0) return file_error(fd, path(number));
  auto file = std::make_shared<File>(ops_, fd);
  const std::lock_guard lock(mutex_);
  remember(number, file);
  return file;
}

Result<std::shared_ptr<File>> SegmentFiles::get(uint32_t number) const {
  const std::lock_guard lock(mutex_);
  if (const auto found = cache_.find(number); found != cache_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    return found->second->second;
  }
  const int fd = ops_->open(path(number), O_RDONLY, 0);
  if (fd < 0) return file_error(fd, path(number));
  auto file = std::make_shared<File>(ops_, fd);
  remember(number, file);
  return file;
}

Result<std::shared_ptr<File>> SegmentFiles::open_writable(uint32_t number) const {
  const int fd = ops_->open(path(number), O_RDWR, 0);
  if (fd < 0) return file_error(fd, path(number));
  return std::make_shared<File>(ops_, fd);
}

void SegmentFiles::remember(uint32_t number, std::shared_ptr<File> file) const {
  recent_.emplace_front(number, std::move(file));
  cache_[number] = recent_.begin();
  if (recent_.size() <= keep_open_) return;
  cache_.erase(recent_.back().first);
  recent_.pop_back();
}

void SegmentFiles::forget(uint32_t number) {
  const std::lock_guard lock(mutex_);
  if (const auto found = cache_.find(number); found != cache_.end()) {
    recent_.erase(found->second);
    cache_.erase(found);
  }
}

Result<> SegmentFiles::remove(uint32_t number) {
  forget(number);
  if (const int result = ops_->unlink(path(number)); result < 0 && result != -ENOENT)
    return file_error(result, path(number));
  return {};
}

Result<> SegmentFiles::sync_names() const {
  if (const int result = ops_->sync_directory(base_); result < 0) return file_error(result, base_);
  return {};
}

Result<> SegmentFiles::keep_aside(const File& file, uint32_t number, uint64_t offset, uint64_t length,
                                  std::string_view suffix, const std::atomic<bool>* stop) const {
  if (drop_damage_) return {};
  if (const int result = ops_->make_directories(quarantine(), 0750); result < 0)
    return file_error(result, quarantine());
  const std::string name = fmt::format("{}/{:08X}-{:08X}.{}", quarantine(), number, offset, suffix);
  const int fd = ops_->open(name, O_RDWR | O_CREAT | O_TRUNC, mode_);
  if (fd < 0) return file_error(fd, name);
  const File copy(ops_, fd);
  std::string block;
  for (uint64_t done = 0; done < length; done += block.size()) {
    if (stop != nullptr && *stop) return fail(Errc::busy, "it is to stop");
    block.resize(std::min<uint64_t>(length - done, 1 << 20));
    // What the disk cannot read stays zero in the copy.
    if (file.read(block.data(), block.size(), offset + done) < 0) std::fill(block.begin(), block.end(), '\0');
    if (const int result = copy.write(block, done); result < 0) return file_error(result, name);
  }
  if (const int result = ops_->sync_file(fd); result < 0) return file_error(result, name);
  if (const int result = ops_->sync_directory(quarantine()); result < 0) return file_error(result, quarantine());
  return {};
}

Result<> SegmentFiles::keep_aside_whole(uint32_t number) const {
  if (drop_damage_) {
    if (const int result = ops_->unlink(path(number)); result < 0) return file_error(result, path(number));
    return sync_names();
  }
  if (const int result = ops_->make_directories(quarantine(), 0750); result < 0)
    return file_error(result, quarantine());
  const std::string name = fmt::format("{}/{}.bad", quarantine(), segment_name(number));
  if (const int result = ops_->rename(path(number), name); result < 0) return file_error(result, name);
  if (const int result = ops_->sync_directory(quarantine()); result < 0) return file_error(result, quarantine());
  return sync_names();
}

}  // namespace impulse::spool
