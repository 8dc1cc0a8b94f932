// Files: the files of passwords, keys and groups in use, in memory. Each look-up asks the
// system whether the file is still the same, and reads it again when it is not.
#pragma once

#include "auth/credentials.h"
#include "auth/groups.h"
#include "auth/keys.h"
#include "base/result.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace impulse::auth {

// Any thread; small files, read by the thread that asks.
class Files {
 public:
  // `complain` is told once for each version of a file that cannot be used.
  explicit Files(std::function<void(std::string_view)> complain = {}) : complain_(std::move(complain)) {}

  // A file that is gone or unreadable has nobody in it: never null. One that
  // was changed and has bad lines now is not taken: the last good version of
  // it stays in use, or when there was none, its good lines.
  std::shared_ptr<const Credentials> credentials(Format format, const std::string& path);
  std::shared_ptr<const Groups> groups(const std::string& path);
  std::shared_ptr<const Keys> keys(const std::string& path);
  // Whether the file was there and could be read when credentials() looked last:
  // tells trouble of ours from users who are not there.
  bool readable(Format format, const std::string& path) const;
  bool keys_readable(const std::string& path) const;  // keys() looked last

  // What a commit wants to know of a file before it uses it. `warning`: what
  // works and should not be (others may read the passwords); may be empty.
  struct Verdict {
    Result<> readable;
    std::vector<BadLine> bad;
    std::string warning;
  };
  static Verdict inspect_credentials(Format format, const std::string& path);
  static Verdict inspect_groups(const std::string& path);
  static Verdict inspect_keys(const std::string& path);

  static constexpr size_t largest = size_t{16} << 20;  // bytes of a file

 private:
  template <class T>
  struct Entry {
    std::string identity;  // device, inode, size, time of change; empty: not there
    bool readable = false;
    std::shared_ptr<const T> good;
  };
  template <class T, class Key, class Parse>
  std::shared_ptr<const T> look_up(std::map<Key, Entry<T>>& entries, const Key& key, const std::string& path,
                                   Parse parse);

  std::function<void(std::string_view)> complain_;
  mutable std::mutex mutex_;  // guards what follows
  std::map<std::pair<Format, std::string>, Entry<Credentials>> credentials_;
  std::map<std::string, Entry<Groups>> groups_;
  std::map<std::string, Entry<Keys>> keys_;
};

}  // namespace impulse::auth
