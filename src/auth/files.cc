#include "auth/files.h"

#include "base/files.h"

#include <sys/stat.h>

#include <cerrno>

namespace impulse::auth {

namespace {

std::string identity_of(const struct stat& status) {
  return fmt::format("{}:{}:{}:{}.{}:{}.{}", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

std::string tell(const std::string& path, const std::vector<BadLine>& bad) {
  return fmt::format("{}:{}: {}{}", path, bad.front().line, bad.front().why,
                     bad.size() == 1 ? std::string() : fmt::format(" (and {} more bad lines)", bad.size() - 1));
}

// `exposed`: what everybody can do with a file of that mode and should not; empty: nothing.
template <class Parse, class Exposed>
Files::Verdict inspect(const std::string& path, Parse parse, Exposed exposed) {
  Files::Verdict verdict;
  const auto text = read_file(path, Files::largest);
  if (!text) {
    verdict.readable = std::unexpected(text.error());
    return verdict;
  }
  parse(*text, verdict.bad);
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return verdict;
  if (const std::string_view done = exposed(status.st_mode); !done.empty())
    verdict.warning = fmt::format("{} can be {} by everybody on this machine", path, done);
  return verdict;
}

}  // namespace

template <class T, class Key, class Parse>
std::shared_ptr<const T> Files::look_up(std::map<Key, Entry<T>>& entries, const Key& key, const std::string& path,
                                        Parse parse) {
  const std::lock_guard lock(mutex_);
  struct stat status{};
  // Before it is read: what is written meanwhile shows at the next look.
  const bool there = ::stat(path.c_str(), &status) == 0;
  const int error = there ? 0 : errno;
  const std::string identity = there ? identity_of(status) : fmt::format("errno {}", error);
  Entry<T>& entry = entries[key];
  if (entry.good && entry.identity == identity) return entry.good;
  entry.identity = identity;
  std::vector<BadLine> bad;
  const auto text = there ? read_file(path, largest) : Result<std::string>(fail_errno(error, path));
  entry.readable = text.has_value();
  std::shared_ptr<const T> fresh = parse(text ? std::string_view(*text) : std::string_view(), bad);
  if (!text && complain_) complain_(fmt::format("cannot be used, nobody is in it: {}", text.error().message));
  if (!bad.empty()) {
    const bool keep = entry.good != nullptr;
    if (complain_) complain_(tell(path, bad) + (keep ? "; what was in it before stays in use" : "; left out"));
    if (keep) return entry.good;
  }
  entry.good = std::move(fresh);
  return entry.good;
}

std::shared_ptr<const Credentials> Files::credentials(Format format, const std::string& path) {
  return look_up(
      credentials_, std::pair(format, path), path,
      [format](std::string_view text, std::vector<BadLine>& bad) { return Credentials::parse(format, text, bad); });
}

bool Files::readable(Format format, const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto at = credentials_.find(std::pair(format, path));
  return at != credentials_.end() && at->second.readable;
}

std::shared_ptr<const Groups> Files::groups(const std::string& path) {
  return look_up(groups_, path, path,
                 [](std::string_view text, std::vector<BadLine>& bad) { return Groups::parse(text, bad); });
}

std::shared_ptr<const Keys> Files::keys(const std::string& path) {
  return look_up(keys_, path, path,
                 [](std::string_view text, std::vector<BadLine>& bad) { return Keys::parse(text, bad); });
}

bool Files::keys_readable(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto at = keys_.find(path);
  return at != keys_.end() && at->second.readable;
}

Files::Verdict Files::inspect_credentials(Format format, const std::string& path) {
  return inspect(
      path, [format](std::string_view text, std::vector<BadLine>& bad) { Credentials::parse(format, text, bad); },
      [](mode_t mode) { return (mode & S_IROTH) != 0 ? "read" : ""; });
}

Files::Verdict Files::inspect_groups(const std::string& path) {
  return inspect(
      path, [](std::string_view text, std::vector<BadLine>& bad) { Groups::parse(text, bad); },
      [](mode_t mode) { return (mode & S_IWOTH) != 0 ? "written" : ""; });
}

Files::Verdict Files::inspect_keys(const std::string& path) {
  return inspect(
      path, [](std::string_view text, std::vector<BadLine>& bad) { Keys::parse(text, bad); },
      [](mode_t mode) { return (mode & S_IWOTH) != 0   ? "written"
                               : (mode & S_IROTH) != 0 ? "read"
                                                       : ""; });
}

}  // namespace impulse::auth
