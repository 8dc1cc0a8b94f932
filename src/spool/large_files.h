// The folder <base>/large: the rests of bodies that were too large for memory,
// a file each, and who removes them. doc/spool-format.md says why they are files.
#pragma once

#include "base/result.h"
#include "message/body_source.h"
#include "spool/file_ops.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace impulse::spool {

// What a message record says of the rest of its body.
struct Rest {
  uint64_t number = 0;  // random: no number is ever used twice
  uint64_t length = 0;
  uint32_t crc = 0;
};

std::string rest_name(uint64_t number);                               // "0123456789ABCDEF.body"
std::optional<uint64_t> parse_rest_name(std::string_view file_name);  // nothing for other names

// Their names and contents. Any thread.
class LargeFiles {
 public:
  LargeFiles(std::shared_ptr<FileOps> ops, const std::string& base, mode_t mode)
      : ops_(std::move(ops)), base_(base), folder_(base + "/large"), mode_(mode) {}

  FileOps& ops() const { return *ops_; }
  std::string path(uint64_t number) const { return folder_ + "/" + rest_name(number); }

  Result<> make_folder() const;  // durably
  struct Created {
    uint64_t number = 0;
    std::shared_ptr<File> file;
  };
  Result<Created> create() const;
  Result<std::vector<uint64_t>> list() const;
  // The file has that length, and with `whole` that checksum. Errc::not_found,
  // Errc::invalid for the wrong content, Errc::io when the disk cannot read it.
  // Errc::busy soon after `stop`, when given, became true.
  Result<> check(const Rest& rest, bool whole, const std::atomic<bool>* stop = nullptr) const;
  // Appends the content to `out`, checked; errors as above.
  Result<> read(const Rest& rest, std::string& out) const;
  // To be read later, as often as one likes: checked now, and by each reading again.
  // Holds the file open.
  Result<std::shared_ptr<const message::BodySource>> source(const Rest& rest) const;
  Result<> remove(uint64_t number) const;                   // the name, not yet durably
  Result<> keep_aside(uint64_t number) const;               // moves it to <base>/quarantine, durably
  void set_drop_damage(bool drop) { drop_damage_ = drop; }  // keep_aside() removes from now on. Any thread.
  Result<> sync_names() const;

 private:
  Result<std::shared_ptr<File>> open(const Rest& rest) const;

  std::shared_ptr<FileOps> ops_;
  std::string base_;
  std::string folder_;
  mode_t mode_;
  std::atomic<bool> drop_damage_ = false;
};

// A thread for what takes long with large files: writing them out, syncing and
// removing them; so that neither an event loop nor the committer waits for it.
class LargeWork {
 public:
  LargeWork();
  ~LargeWork() { stop(); }
  // In order. Any thread; after stop() it is done at once by the caller.
  void post(std::function<void()> work);
  void stop();  // when all is done that was posted

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace impulse::spool
