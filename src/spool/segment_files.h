// The files of a spool: names, a few open descriptors for readers, and the
// folder where damaged bytes are kept aside.
#pragma once

#include "base/result.h"
#include "spool/file_ops.h"

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace impulse::spool {

class SegmentFiles {
 public:
  // `keep_open`: how many descriptors of those read are kept.
  SegmentFiles(std::shared_ptr<FileOps> ops, std::string base, mode_t mode, size_t keep_open = 128)
      : ops_(std::move(ops)), base_(std::move(base)), mode_(mode), keep_open_(keep_open) {}

  FileOps& ops() const { return *ops_; }
  const std::string& base() const { return base_; }
  std::string path(uint32_t number) const;

  // Makes the file; it must not be there.
  Result<std::shared_ptr<File>> create(uint32_t number);
  // For reading, from the cache or opened. Any thread. Errc::not_found when
  // the segment is not there (any more).
  Result<std::shared_ptr<File>> get(uint32_t number) const;
  // For reading and writing, not cached.
  Result<std::shared_ptr<File>> open_writable(uint32_t number) const;
  void forget(uint32_t number);      // those who have it keep it
  Result<> remove(uint32_t number);  // the name, not yet durably
  Result<> sync_names() const;       // makes created and removed names durable

  // From now on damage is dropped, not kept aside: what follows does nothing but remove. Any thread.
  void set_drop_damage(bool drop) { drop_damage_ = drop; }
  // What keep_aside() does to a range, and to a file, in words.
  std::string_view kept() const { return drop_damage_ ? "dropped" : "kept aside in quarantine"; }
  std::string_view moved() const { return drop_damage_ ? "removed" : "moved to quarantine"; }
  // Copies a range to <base>/quarantine/SSSSSSSS-OOOOOOOO.<suffix>, durably.
  // An older copy with that name is replaced. Any thread. Errc::busy, soon
  // after `stop`: the copy is not whole.
  Result<> keep_aside(const File& file, uint32_t number, uint64_t offset, uint64_t length, std::string_view suffix,
                      const std::atomic<bool>* stop = nullptr) const;
  // Moves a whole file there.
  Result<> keep_aside_whole(uint32_t number) const;

 private:
  std::string quarantine() const { return base_ + "/quarantine"; }
  void remember(uint32_t number, std::shared_ptr<File> file) const;

  std::shared_ptr<FileOps> ops_;
  std::string base_;
  mode_t mode_;
  size_t keep_open_;
  std::atomic<bool> drop_damage_ = false;
  using Cached = std::pair<uint32_t, std::shared_ptr<File>>;
  mutable std::mutex mutex_;          // of the cache
  mutable std::list<Cached> recent_;  // the latest used first
  mutable std::unordered_map<uint32_t, std::list<Cached>::iterator> cache_;
};

// An Error for the negative errno a FileOps call returned. Unlike base's, it
// knows which mean that the disk is full.
std::unexpected<Error> file_error(int64_t code, std::string_view what);

}  // namespace impulse::spool
