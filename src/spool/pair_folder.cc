#include "spool/pair_folder.h"

#include "base/crc32c.h"
#include "base/files.h"
#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <utility>

namespace impulse::spool {

namespace {

constexpr mode_t folder_mode = 0700;
constexpr mode_t file_mode = 0600;
constexpr size_t block_size = size_t{256} << 10;
constexpr const char* token_name = "import.token";
constexpr size_t token_length = 32;
constexpr const char* changed = "it was changed while it was read";
constexpr std::string_view text_suffix = ".eml";
constexpr std::string_view document_suffix = ".json";

// Reads up to `bytes.size()` bytes; fewer only at the end. -errno.
ssize_t read_some(int fd, std::span<char> bytes) {
  size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t more = ::read(fd, bytes.data() + got, bytes.size() - got);
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) return -errno;
    if (more == 0) break;
    got += static_cast<size_t>(more);
  }
  return static_cast<ssize_t>(got);
}

// What a descriptor is of, and how it is now.
Result<struct stat> status_of(int fd, const std::string& path) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return fail_errno(errno, path);
  return status;
}

bool unchanged(const struct stat& before, const struct stat& now) {
  const auto same = [](const timespec& one, const timespec& other) {
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
  };
  return before.st_size == now.st_size && same(before.st_mtim, now.st_mtim);
}

struct OpenFile {
  UniqueFd fd;
  struct stat status{};
};

// A file of ours beneath `folder`, for reading. What somebody has put there so that another file is read, or
// moved, in its place is none: a link of any kind, a device, a file of a stranger, or one that anybody changes.
Result<OpenFile> open_file(int folder, const std::string& name, const std::string& path) {
  OpenFile file;
  file.fd.reset(::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!file.fd && errno == ELOOP) return fail(Errc::invalid, "{}: a symbolic link", path);
  if (!file.fd && (errno == ENXIO || errno == ENODEV)) return fail(Errc::invalid, "{}: not a regular file", path);
  if (!file.fd) return fail_errno(errno, path);
  const auto status = status_of(file.fd.get(), path);
  if (!status) return std::unexpected(status.error());
  file.status = *status;
  if (!S_ISREG(status->st_mode)) return fail(Errc::invalid, "{}: not a regular file", path);
  if (status->st_nlink != 1)
    return fail(Errc::invalid, "{}: it has {} names (hard links), and is taken with one", path,
                static_cast<uint64_t>(status->st_nlink));
  const auto owner = status_of(folder, path);
  if (!owner) return std::unexpected(owner.error());
  if (status->st_uid != owner->st_uid && status->st_uid != ::geteuid() && status->st_uid != 0)
    return fail(Errc::denied, "{}: it belongs to user {}, and not to the folder's owner", path, status->st_uid);
  if ((status->st_mode & S_IWOTH) != 0) return fail(Errc::denied, "{}: anybody may write to it", path);
  return file;
}

bool there(int folder, const std::string& name) {
  struct stat status{};
  return ::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

bool is_segment(const std::string& name) { return name.ends_with(".seg"); }

// Never over another file. -errno.
int move_file(int from, const std::string& name, int to, const std::string& new_name) {
  if (::renameat2(from, name.c_str(), to, new_name.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -errno;
  // This file system cannot do it at once; one who died in between left both names.
  if (::linkat(from, name.c_str(), to, new_name.c_str(), 0) != 0) {
    const int why = errno;
    struct stat one{}, other{};
    const bool same = why == EEXIST && ::fstatat(from, name.c_str(), &one, AT_SYMLINK_NOFOLLOW) == 0 &&
                      ::fstatat(to, new_name.c_str(), &other, AT_SYMLINK_NOFOLLOW) == 0 && one.st_dev == other.st_dev &&
                      one.st_ino == other.st_ino;
    if (!same) return -why;
  }
  return ::unlinkat(from, name.c_str(), 0) == 0 ? 0 : -errno;
}

Result<> sync_folder(int fd, const std::string& path) {
  if (::fsync(fd) != 0) return fail_errno(errno, path);
  return {};
}

std::string random_token() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

bool is_token(std::string_view text) {
  return text.size() == token_length &&
         std::ranges::all_of(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

Result<std::vector<std::string>> list(int folder, const std::string& path) {
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return fail_errno(errno, path);
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::fdopendir(copy), ::closedir);
  if (!open) {
    const int why = errno;
    ::close(copy);
    return fail_errno(why, path);
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(open.get());
    if (entry == nullptr && errno != 0) return fail_errno(errno, path);
    if (entry == nullptr) return names;
    names.emplace_back(entry->d_name);
  }
}

// Whether the folder is a spool, or stands in one at any depth. What may not be read is none.
bool within_spool(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (int depth = 0; fd && depth < PATH_MAX / 2; ++depth) {
    if (there(fd.get(), "lock")) {
      const UniqueFd readable(::openat(fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      const auto names = readable ? list(readable.get(), path) : Result<std::vector<std::string>>();
      if (names && std::ranges::any_of(*names, is_segment)) return true;
    }
    UniqueFd above(::openat(fd.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat here{}, next{};
    if (!above || ::fstat(fd.get(), &here) != 0 || ::fstat(above.get(), &next) != 0) return false;
    if (here.st_ino == next.st_ino && here.st_dev == next.st_dev) return false;  // the root
    fd = std::move(above);
  }
  return false;
}

}  // namespace

std::string PairFault::place() const {
  return line == 0 ? escape_line(file) : fmt::format("{}:{}:{}", escape_line(file), line, column);
}

Result<PairFolder> PairFolder::open(const std::string& wanted, bool make) {
  std::string path = wanted;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (!path.starts_with('/') || path.size() < 2 || path.contains('\0'))
    return fail(Errc::invalid, "the path of a folder is expected, from the root on");
  const std::string above = path.substr(0, std::max<size_t>(path.rfind('/'), 1));
  if (within_spool(above))
    return fail(Errc::invalid, "{}: this is within a spool; messages in files are kept outside", path);
  if (make && ::mkdir(path.c_str(), folder_mode) == 0) {
    if (auto synced = sync_directory(above); !synced && synced.error().code != Errc::denied)
      return std::unexpected(std::move(synced.error()));
  } else if (make && errno != EEXIST) {
    return fail_errno(errno, path);
  }
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && (errno == ELOOP || errno == ENOTDIR))
    return fail(Errc::invalid, "{}: not a folder (a symbolic link is none)", path);
  if (!fd) return fail_errno(errno, path);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail_errno(errno, path);
  if ((status.st_mode & S_IWOTH) != 0)
    return fail(Errc::denied, "{}: anybody may write there; mail needs a folder that only its owner or group writes to",
                path);
  auto names = list(fd.get(), path);
  if (!names) return std::unexpected(std::move(names.error()));
  if (std::ranges::any_of(*names, is_segment))
    return fail(Errc::invalid, "{}: this is a spool; 'ec_show export' makes pairs of files of one", path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(Errc::busy, "{}: somebody exports to it, or imports from it, just now", path);
    return fail_errno(errno, path);
  }
  return PairFolder(std::move(path), std::move(fd));
}

Result<> PairFolder::create(const std::string& name, std::string_view first, std::string_view second) const {
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  UniqueFd file(::openat(fd_.get(), name.c_str(), flags, file_mode));
  if (!file) return fail_errno(errno, full(name));
  Result<> done = write_all(file.get(), first);
  if (done) done = write_all(file.get(), second);
  if (done && ::fsync(file.get()) != 0) done = fail_errno(errno, full(name));
  if (!done) (void)::unlinkat(fd_.get(), name.c_str(), 0);
  return done;
}

// Whether a file is there, and has that content.
bool PairFolder::holds(const std::string& name, std::string_view first, std::string_view second) const {
  const auto file = open_file(fd_.get(), name, name);
  if (!file || static_cast<uint64_t>(file->status.st_size) != first.size() + second.size()) return false;
  for (std::string_view rest : {first, second}) {
    while (!rest.empty()) {
      std::string block(std::min(block_size, rest.size()), '\0');
      if (read_some(file->fd.get(), block) != static_cast<ssize_t>(block.size()) || !rest.starts_with(block))
        return false;
      rest.remove_prefix(block.size());
    }
  }
  // It may be of one who died before it was.
  return ::fsync(file->fd.get()) == 0;
}

// True: it was not there before.
Result<bool> PairFolder::place(const std::string& name, std::string_view first, std::string_view second) const {
  const std::string temporary = "." + name + ".tmp";
  // Of one who died: it may be another name of the file.
  (void)::unlinkat(fd_.get(), temporary.c_str(), 0);
  if (holds(name, first, second)) return false;
  if (there(fd_.get(), name)) return fail(Errc::exists, "{}: there is another file of that name", full(name));
  if (auto made = create(temporary, first, second); !made) return std::unexpected(std::move(made.error()));
  if (const int moved = move_file(fd_.get(), temporary, fd_.get(), name); moved < 0) {
    (void)::unlinkat(fd_.get(), temporary.c_str(), 0);
    return fail_errno(-moved, full(name));
  }
  return true;
}

Result<bool> PairFolder::write(const Stored& stored) {
  const std::string name = pair_name(stored.id, stored.node);
  // What nobody could read back stays where it is.
  const std::string document = write_pair(stored);
  if (document.size() > max_document) return fail(Errc::invalid, "its document would be too large for an import");
  if (const auto back = read_pair(document); !back)
    return fail(Errc::invalid, "no import would take it: {}:{}: {}", back.error().line, back.error().column,
                back.error().what);
  // The document last: what has none is no pair yet.
  if (there(fd_.get(), name + ".json") && !holds(name + ".eml", stored.trace, stored.body))
    return fail(Errc::exists, "{}: there is another message of that name", full(name));
  if (auto placed = place(name + ".eml", stored.trace, stored.body); !placed) return placed;
  return place(name + ".json", document, {});
}

bool PairFolder::has(MessageId id, std::string_view node) const {
  return there(fd_.get(), pair_name(id, node) + ".json");
}

Result<> PairFolder::sync() { return sync_folder(fd_.get(), path_); }

Result<std::vector<std::string>> PairFolder::names() const {
  auto files = list(fd_.get(), path_);
  if (!files) return files;
  std::set<std::string> names;
  for (const std::string& file : *files) {
    if (file.starts_with('.')) continue;
    for (const std::string_view suffix : {text_suffix, document_suffix})
      if (file.ends_with(suffix) && file.size() > suffix.size())
        names.insert(file.substr(0, file.size() - suffix.size()));
  }
  return std::vector(names.begin(), names.end());
}

std::expected<Pair, PairFault> PairFolder::read(const std::string& name, uint64_t in_memory,
                                                const message::BeginBody& stream) {
  const std::string text_name = name + ".eml";
  const std::string document_name = name + ".json";
  const auto bad = [&](const std::string& file, Error why) {
    // The place says which file.
    if (why.message.starts_with(file + ": ")) why.message.erase(0, file.size() + 2);
    return std::unexpected(PairFault{file, 0, 0, std::move(why)});
  };
  const auto wrong = [&](const std::string& file, std::string what) {
    return bad(file, {Errc::invalid, std::move(what)});
  };
  // A receipt names the files of its batch, a line each.
  if (std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; }))
    return wrong(text_name, "a name with control characters");
  // Messages name their file: without the folder, which the operator named.
  const auto document_file = open_file(fd_.get(), document_name, document_name);
  if (!document_file && document_file.error().code == Errc::not_found)
    return wrong(text_name, fmt::format("{} is missing, which tells its envelope", document_name));
  if (!document_file) return bad(document_name, document_file.error());
  if (static_cast<uint64_t>(document_file->status.st_size) > max_document)
    return wrong(document_name, fmt::format("more than {} bytes, which no document has", max_document));
  Pair pair;
  int failed = 0;
  std::string piece;
  auto text = read_pair([&]() -> std::string_view {
    piece.resize(block_size);
    const ssize_t got = read_some(document_file->fd.get(), piece);
    failed = got < 0 ? static_cast<int>(-got) : 0;
    piece.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
    pair.document_size += piece.size();
    // One that grows as it is read.
    return pair.document_size > max_document ? std::string_view() : piece;
  });
  if (failed != 0) return bad(document_name, fail_errno(failed, document_name).error());
  const auto document_now = status_of(document_file->fd.get(), document_name);
  if (!document_now) return bad(document_name, document_now.error());
  if (!unchanged(document_file->status, *document_now)) return wrong(document_name, changed);
  if (!text)
    return std::unexpected(PairFault{
        document_name, text.error().line, text.error().column, {Errc::invalid, std::move(text.error().what)}});

  const auto text_file = open_file(fd_.get(), text_name, text_name);
  if (!text_file && text_file.error().code == Errc::not_found)
    return wrong(document_name, fmt::format("{} is missing, which is the message", text_name));
  if (!text_file) return bad(text_name, text_file.error());
  pair.name = name;
  pair.text = std::move(*text);
  uint64_t size = 0;
  uint32_t checksum = 0;
  for (;;) {
    // Up to the end of what is in front, then of what stays in memory.
    const uint64_t ours = pair.text.trace_size;
    const uint64_t kept = ours + in_memory;
    const uint64_t border = size < ours ? ours : size < kept ? kept : UINT64_MAX;
    std::string block(static_cast<size_t>(std::min<uint64_t>(block_size, border - size)), '\0');
    const ssize_t got = read_some(text_file->fd.get(), block);
    if (got < 0) return bad(text_name, fail_errno(static_cast<int>(-got), text_name).error());
    if (got == 0) break;
    block.resize(static_cast<size_t>(got));
    checksum = crc32c(checksum, block);
    size += block.size();
    if (size > pair.text.size) break;
    if (border == ours) {
      pair.incoming.trace += block;
    } else if (border == kept) {
      pair.incoming.body.append(block);
    } else {
      if (pair.incoming.rest == nullptr) {
        auto sink = stream();
        if (!sink) return bad(text_name, std::move(sink.error()));
        pair.incoming.rest = std::move(*sink);
      }
      if (auto appended = pair.incoming.rest->append(block); !appended)
        return bad(text_name, std::move(appended.error()));
    }
  }
  const auto text_now = status_of(text_file->fd.get(), text_name);
  if (!text_now) return bad(text_name, text_now.error());
  if (!unchanged(text_file->status, *text_now)) return wrong(text_name, changed);
  if (size != pair.text.size)
    return wrong(text_name, fmt::format("not the {} bytes that {} says", pair.text.size, document_name));
  if (pair.text.checksum && *pair.text.checksum != checksum)
    return wrong(text_name, fmt::format("its checksum is {:08x}, and not that of {} (where it may be left out)",
                                        checksum, document_name));
  if (!pair.incoming.trace.empty() && !pair.incoming.trace.ends_with("\r\n"))
    return wrong(document_name, "trace_size ends in the middle of a line");
  pair.incoming.envelope = std::move(pair.text.envelope);
  pair.incoming.states = std::move(pair.text.states);
  return pair;
}

Result<std::string> PairFolder::token() {
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto file = open_file(fd_.get(), token_name, full(token_name));
    if (file) {
      std::array<char, token_length + 2> bytes;
      const ssize_t got = read_some(file->fd.get(), bytes);
      std::string_view text(bytes.data(), static_cast<size_t>(std::max<ssize_t>(got, 0)));
      if (text.ends_with('\n')) text.remove_suffix(1);
      if (!is_token(text)) return fail(Errc::invalid, "{}: not what an import has left there", full(token_name));
      return std::string(text);
    }
    if (file.error().code != Errc::not_found) return std::unexpected(file.error());
    if (auto placed = place(token_name, random_token(), "\n"); !placed)
      return std::unexpected(std::move(placed.error()));
    if (auto synced = sync(); !synced) return std::unexpected(std::move(synced.error()));
  }
  return fail(Errc::io, "{}: it does not stay", full(token_name));
}

Result<> PairFolder::make_done() {
  if (done_) return {};
  const bool made = ::mkdirat(fd_.get(), "done", folder_mode) == 0;
  if (!made && errno != EEXIST) return fail_errno(errno, full("done"));
  done_.reset(::openat(fd_.get(), "done", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!done_ && (errno == ELOOP || errno == ENOTDIR)) return fail(Errc::invalid, "{}: not a folder", full("done"));
  if (!done_) return fail_errno(errno, full("done"));
  const auto status = status_of(done_.get(), full("done"));
  if (!status) return std::unexpected(status.error());
  if ((status->st_mode & S_IWOTH) != 0) {
    done_.reset();
    return fail(Errc::denied, "{}: anybody may write there", full("done"));
  }
  return sync();
}

Result<> PairFolder::retire(const std::string& name) {
  if (auto made = make_done(); !made) return made;
  for (const std::string_view suffix : {document_suffix, text_suffix}) {
    const std::string file = name + std::string(suffix);
    if (const int moved = move_file(fd_.get(), file, done_.get(), file); moved < 0 && moved != -ENOENT)
      return fail_errno(-moved, full("done/" + file));
  }
  return {};
}

bool PairFolder::retired(const std::string& name) const {
  return there(fd_.get(), "done/" + name + ".json") || there(fd_.get(), "done/" + name + ".eml");
}

Result<> PairFolder::sync_done() {
  if (done_)
    if (auto synced = sync_folder(done_.get(), full("done")); !synced) return synced;
  return sync();
}

}  // namespace impulse::spool
