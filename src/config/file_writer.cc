// Replacing files, all or none as far as a file system can: everything that
// can fail is done before the first of them is replaced.
#include "base/fd.h"
#include "base/files.h"
#include "config/writeback.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace impulse::config {
namespace {

namespace fs = std::filesystem;

constexpr mode_t new_file_mode = 0640;

// A temp file; removed unless it has taken its file's place.
class Pending {
 public:
  explicit Pending(const FileEdit& edit) : edit_(edit) {}
  Pending(Pending&& other) noexcept : edit_(other.edit_), target_(std::move(other.target_)) {
    std::swap(temporary_, other.temporary_);
  }
  Pending& operator=(Pending&&) = delete;
  ~Pending() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  // The file is as it was read.
  Result<> check() const {
    if (edit_.created) {
      struct stat status{};
      if (::lstat(edit_.path.c_str(), &status) == 0)
        return fail(Errc::conflict, "{} is there already: nothing was written", edit_.path);
      if (errno != ENOENT) return fail_errno(errno, edit_.path);
      return {};
    }
    const auto now = read_file(edit_.path);
    if (!now && now.error().code == Errc::not_found)
      return fail(Errc::conflict, "{} is gone since it was read", edit_.path);
    if (!now) return std::unexpected(now.error());
    if (*now != edit_.before) return fail(Errc::conflict, "{} has changed since it was read", edit_.path);
    return {};
  }

  Result<> write();
  Result<> replace();
  std::string folder() const { return fs::path(target_).parent_path().string(); }
  const std::string& path() const { return edit_.path; }

 private:
  const FileEdit& edit_;
  std::string target_;  // behind symbolic links
  std::string temporary_;
};

Result<> Pending::write() {
  target_ = edit_.path;
  std::optional<struct stat> old;
  if (!edit_.created) {
    std::error_code error;
    const fs::path real = fs::canonical(edit_.path, error);
    if (error) return fail_errno(error.value(), edit_.path);
    target_ = real.string();
    old.emplace();
    if (::stat(target_.c_str(), &*old) != 0) return fail_errno(errno, edit_.path);
    // A folder may let anybody replace a file that nobody may write.
    if (::access(target_.c_str(), W_OK) != 0) return fail_errno(errno, edit_.path);
  }
  // Hidden: should the machine stop now, no include of the folder takes it.
  const fs::path target(target_);
  std::string name = (target.parent_path() / ("." + target.filename().string() + ".XXXXXX")).string();
  UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd) return fail_errno(errno, name);
  temporary_ = name;
  if (auto written = write_all(fd.get(), edit_.after); !written)
    return fail(written.error().code, "{}: {}", temporary_, written.error().message);
  if (old && (old->st_uid != ::geteuid() || old->st_gid != ::getegid()) &&
      ::fchown(fd.get(), old->st_uid, old->st_gid) != 0)
    return fail_errno(errno, "cannot keep the owner of " + edit_.path);
  if (::fchmod(fd.get(), old ? old->st_mode & 07777 : new_file_mode) != 0) return fail_errno(errno, temporary_);
  if (::fsync(fd.get()) != 0) return fail_errno(errno, temporary_);
  return {};
}

Result<> Pending::replace() {
  const unsigned flags = edit_.created ? RENAME_NOREPLACE : 0;
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), flags) != 0) {
    if (errno == EEXIST) return fail(Errc::conflict, "{} is there already", edit_.path);
    // Not every file system knows the flag: a link never replaces either.
    if (!(edit_.created && errno == EINVAL && ::link(temporary_.c_str(), target_.c_str()) == 0))
      return fail_errno(errno, edit_.path);
    ::unlink(temporary_.c_str());
  }
  temporary_.clear();
  return {};
}

}  // namespace

Result<> write_files(const std::vector<FileEdit>& files) {
  std::vector<Pending> pending;
  pending.reserve(files.size());
  for (const FileEdit& file : files) {
    pending.emplace_back(file);
    if (auto same = pending.back().check(); !same) return same;
  }
  for (Pending& file : pending)
    if (auto written = file.write(); !written) return written;
  // Writing took its time: looked at again right before.
  for (const Pending& file : pending)
    if (auto same = file.check(); !same) return same;

  // Opened by now: behind the first rename there is no way back.
  std::map<std::string, UniqueFd> folders;
  for (const Pending& file : pending) {
    UniqueFd& folder = folders[file.folder()];
    if (folder) continue;
    folder = UniqueFd(::open(file.folder().empty() ? "." : file.folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return fail_errno(errno, file.folder());
  }

  std::string done;
  for (Pending& file : pending) {
    if (auto replaced = file.replace(); !replaced)
      return fail(replaced.error().code, "{}; {}", replaced.error().message,
                  done.empty() ? "nothing was written" : "already replaced: " + done);
    done += (done.empty() ? "" : ", ") + file.path();
  }
  for (const auto& [name, folder] : folders)
    if (::fsync(folder.get()) != 0)
      return fail(Errc::io, "{}: {}; replaced, but maybe not yet safe on disk: {}", name, errno_text(errno), done);
  return {};
}

}  // namespace impulse::config
