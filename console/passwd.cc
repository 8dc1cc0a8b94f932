#include "console/passwd.h"

#include "base/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace impulse::console::passwd {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view usage_text =
    "usage: ec_passwd [-f FORMAT] [-r REALM] [-t TENANT] [-i COUNT] [--hash HASH] [--stdin] FILE USER\n"
    "       ec_passwd --delete [-r REALM] [-t TENANT] FILE USER\n"
    "       ec_passwd --verify [-r REALM] [-t TENANT] [--stdin] FILE USER\n"
    "       ec_passwd --list FILE\n"
    "       ec_passwd key add --user USER --rights RIGHTS [-t TENANT] [--expires WHEN] [--label TEXT] FILE\n"
    "       ec_passwd key list FILE\n"
    "       ec_passwd key revoke FILE ID\n"
    "       ec_passwd key expire [--expires WHEN] FILE ID\n"
    "       ec_passwd key verify FILE\n"
    "       ec_passwd --help | --version\n";

constexpr std::string_view help_text =
    "\n"
    "Makes and edits the files of passwords and API keys that impulsed reads. Without\n"
    "an action it adds USER to FILE, or gives USER another password; a FILE that is\n"
    "not there is made, for its owner alone. impulsed sees the change at the next attempt.\n"
    "\n"
    "  -f, --format FORMAT   scram (of a new file), digest, or file (in clear)\n"
    "  -r, --realm REALM     of digest: AuthDigestMD5Parameters' realm, or Hostname\n"
    "  -t, --tenant TENANT   whose user it is: the file says TENANT/USER\n"
    "  -i, --iterations N    of scram: 4096 and more (4096)\n"
    "      --hash HASH       of scram: sha256, sha1 or both (sha256)\n"
    "      --stdin           the password is the first line of standard input\n"
    "      --delete          take USER out\n"
    "      --verify          say whether that is USER's password\n"
    "      --list            say who is in FILE\n"
    "\n"
    "Behind `key`, FILE is one of API keys:\n"
    "  add                   make a key and print it, this once: FILE has but its hash\n"
    "  list                  say which keys are in FILE\n"
    "  revoke                take a key out\n"
    "  expire                let a key end now, or at --expires\n"
    "  verify                say whose key the first line of standard input is\n"
    "  -u, --user USER       who acts with it\n"
    "      --rights RIGHTS   inject, metrics, admin, with commas between them\n"
    "      --expires WHEN    90d, 12h, 2027-01-31, 20270131T120000Z (UTC), or never\n"
    "      --label TEXT      what it is for\n"
    "\n"
    "Exit status: 0 done, 1 wrong password or key, or no such user or key, 2 usage,\n"
    "3 a file that cannot be read, written or understood, 4 no password was given.\n";

// One editor at a time, in that folder.
Result<UniqueFd> lock_folder(const fs::path& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::flock(fd.get(), LOCK_EX) != 0) return fail_errno(errno, folder.string());
  return fd;
}

}  // namespace

void print(std::FILE* stream, std::string_view text) { std::fwrite(text.data(), 1, text.size(), stream); }

int complain(Status status, std::string_view text) {
  print(stderr, fmt::format("ec_passwd: {}\n", text));
  return status;
}

int misused(std::string_view text) {
  complain(status_usage, text);
  print(stderr, usage_text);
  return status_usage;
}

void print_help() {
  print(stdout, usage_text);
  print(stdout, help_text);
}

Result<EditedFile> EditedFile::open(const std::string& name, Purpose purpose) {
  std::error_code failed;
  fs::path path = fs::weakly_canonical(fs::absolute(name, failed), failed);
  if (failed || path.empty()) return fail(Errc::io, "{}: {}", name, failed.message());
  UniqueFd lock;
  if (purpose != Purpose::look) {
    auto locked = lock_folder(path.parent_path());
    if (!locked) return std::unexpected(locked.error());
    lock = std::move(*locked);
  }
  EditedFile file(std::move(path), std::move(lock));
  if (fs::exists(file.path_, failed) || purpose != Purpose::make) {
    auto content = read_file(file.path_.string(), size_t{16} << 20);
    if (!content) return std::unexpected(content.error());
    file.text_ = std::move(*content);
  }
  return file;
}

Result<> EditedFile::put(std::string_view text) const {
  struct stat before{};
  const bool there = ::stat(path_.c_str(), &before) == 0;
  const std::string fresh = fmt::format("{}.new.{}", path_.string(), ::getpid());
  const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return fail_errno(errno, fresh);
  Result<> done = write_all(fd.get(), text);
  // By the descriptor: the name may be somebody else's to change.
  if (done && there && (before.st_uid != ::geteuid() || before.st_gid != ::getegid()) &&
      ::fchown(fd.get(), before.st_uid, before.st_gid) != 0)
    done = fail_errno(errno, fresh);
  const bool group = there && (before.st_mode & S_IRGRP) != 0;
  if (done && ::fchmod(fd.get(), group ? 0640 : 0600) != 0) done = fail_errno(errno, fresh);
  if (done && ::fsync(fd.get()) != 0) done = fail_errno(errno, fresh);
  if (done && ::rename(fresh.c_str(), path_.c_str()) != 0) done = fail_errno(errno, path_.string());
  if (!done) {
    ::unlink(fresh.c_str());
    return done;
  }
  return sync_directory(path_.parent_path().string());
}

}  // namespace impulse::console::passwd
