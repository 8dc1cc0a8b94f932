// DurableNames: folders that this process has seen to be on stable storage by
// name. A folder that is there may be another thread's work of a moment ago, or
// that of a process that died since: its name may still be in memory only, and
// with it all that is put into it. Any thread.
#pragma once

#include "base/result.h"

#include <mutex>
#include <string>
#include <unordered_set>

namespace impulse::delivery {

class DurableNames {
 public:
  // Makes the name of a folder that is there durable, and those of all folders
  // above it: fsyncs each that holds one which is not known yet. Those that may
  // not be read are left out.
  Result<> ensure(const std::string& folder);
  bool knows(const std::string& folder) const;

 private:
  // Beyond that all are forgotten, and synced again when they are met again.
  static constexpr size_t most = 100000;

  mutable std::mutex mutex_;
  std::unordered_set<std::string> known_;
};

}  // namespace impulse::delivery
