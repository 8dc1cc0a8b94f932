// From the folder upwards, until one is known.
#include "delivery/durable_names.h"

#include "base/files.h"

#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

namespace impulse::delivery {
namespace {

std::string above(const std::string& folder) {
  const size_t end = folder.find_last_not_of('/');
  const size_t slash = folder.rfind('/', end);
  if (end == std::string::npos || slash == 0) return "/";
  return slash == std::string::npos ? "." : folder.substr(0, slash);
}

}  // namespace

bool DurableNames::knows(const std::string& folder) const {
  const std::lock_guard lock(mutex_);
  return known_.contains(folder);
}

Result<> DurableNames::ensure(const std::string& folder) {
  std::vector<std::string> synced;
  for (std::string each = folder; each != "/" && each != "." && !knows(each);) {
    std::string parent = above(each);
    if (::access(parent.c_str(), R_OK) != 0 && errno == EACCES) break;
    if (auto done = sync_directory(parent); !done) return done;
    synced.push_back(std::exchange(each, std::move(parent)));
  }
  const std::lock_guard lock(mutex_);
  if (known_.size() + synced.size() > most) known_.clear();
  known_.insert(synced.begin(), synced.end());
  return {};
}

}  // namespace impulse::delivery
