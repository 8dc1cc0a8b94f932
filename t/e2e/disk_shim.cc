// A shim between a process and its disk, for LD_PRELOAD: counts the calls that
// change something below some folders, writes each down in the order in which
// they took effect, with its bytes, lets chosen ones fail or wait, and kills the
// process at the one whose number it was given. What the process sends by
// send() is written down in the same order.
//
//   DISK_SHIM_ROOTS    folders, absolute, separated by colons
//   DISK_SHIM_CONTROL  file of at least sizeof(Control) bytes: what to do; may be changed meanwhile
//   DISK_SHIM_LOG      file that the log is appended to; without it none is written
//
// t/e2e/disk_kit.py compiles it and reads the log. Only bare system calls: with
// a sanitizer the process's own write() and its kin come before libc's, and
// would come here again.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

enum Op : uint32_t {
  op_open = 1,
  op_write,
  op_sync,  // it begins; op_synced is its end
  op_synced,
  op_truncate,
  op_unlink,
  op_rename,
  op_link,
  op_mkdir,
  op_send,
};

enum How : uint64_t { before, midway, after };

struct Control {
  std::atomic<uint64_t> calls;       // that changed something, of all threads
  std::atomic<uint64_t> die_at;      // number of the call to die at, or the first one after it; 0: none
  std::atomic<uint64_t> die_how;     // How
  std::atomic<uint64_t> fail_ops;    // bit 1 << Op: those fail
  std::atomic<uint64_t> fail_errno;  // with that
  std::atomic<uint64_t> fail_left;   // so many times
  std::atomic<uint64_t> failed;      // how many have failed
  std::atomic<uint64_t> sync_delay;  // microseconds that each sync takes longer
  std::atomic<uint64_t> syncs;       // of files that succeeded
  std::atomic<uint64_t> hold_reads;  // reads by the thread of that name (its first 8 bytes) wait while it is set,
  std::atomic<uint64_t> reads_left;  // behind so many that do not
  std::atomic<uint64_t> held_reads;  // that wait now
  std::atomic<uint64_t> bad_inode;   // reads of that file fail with EIO that touch
  std::atomic<uint64_t> bad_from;    // these bytes
  std::atomic<uint64_t> bad_to;      // (up to there); 0: none does
};

struct Entry {
  uint32_t op;
  uint32_t first;   // lengths of what follows: a name,
  uint32_t second;  // another name,
  uint32_t third;   // bytes
  uint64_t handle;  // of an open file; the process's number is its upper half
  int64_t offset;   // or size, or flags of open
  int64_t result;   // what the call returned, or -errno
};

constexpr int most = 65536;
std::atomic<uint64_t> handles[most];
std::atomic<uint32_t> next_handle;
std::atomic_flag busy = ATOMIC_FLAG_INIT;
Control idle;
Control* control = &idle;
char roots[PATH_MAX * 2];
int log_fd = -1;

__attribute__((constructor)) void begin() {
  const char* where = std::getenv("DISK_SHIM_ROOTS");
  const char* how = std::getenv("DISK_SHIM_CONTROL");
  if (where == nullptr || how == nullptr) return;
  std::strncpy(roots, where, sizeof roots - 1);
  const auto fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, how, O_RDWR | O_CLOEXEC, 0));
  if (fd < 0) std::abort();
  void* shared = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared == MAP_FAILED) std::abort();
  control = static_cast<Control*>(shared);
  syscall(SYS_close, fd);
  const char* log = std::getenv("DISK_SHIM_LOG");
  if (log == nullptr) return;
  log_fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (log_fd < 0) std::abort();
}

bool watched(const char* path) {
  for (const char* root = roots; *root != '\0';) {
    const char* end = strchrnul(root, ':');
    const auto length = static_cast<size_t>(end - root);
    if (std::strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0')) return true;
    root = *end == ':' ? end + 1 : end;
  }
  return false;
}

uint64_t handle_of(int fd) { return fd >= 0 && fd < most ? handles[fd].load() : 0; }

thread_local bool holding = false;

// Held from before something changes until that is written down: a name made by
// one thread is at once another one's folder, and a kill of ours comes between
// entries, not between a change and its entry. Without a log nothing is held.
class Lock {
 public:
  Lock() : held_(log_fd >= 0 && !holding) {
    while (held_ && busy.test_and_set(std::memory_order_acquire)) syscall(SYS_sched_yield);
    holding = holding || held_;
  }
  ~Lock() {
    if (!held_) return;
    holding = false;
    busy.clear(std::memory_order_release);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  const bool held_;
};

[[noreturn]] void die() {
  const Lock lock;
  for (;;) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

// Writes an entry down, whole.
void note_locked(Op op, uint64_t handle, int64_t offset, int64_t result, const char* first = "",
                 const char* second = "", const iovec* parts = nullptr, int count = 0) {
  if (log_fd < 0) return;
  static iovec all[IOV_MAX];
  Entry entry{
      op,    static_cast<uint32_t>(std::strlen(first)), static_cast<uint32_t>(std::strlen(second)), 0, handle, offset,
      result};
  int used = 0;
  all[used++] = {&entry, sizeof entry};
  if (entry.first > 0) all[used++] = {const_cast<char*>(first), entry.first};
  if (entry.second > 0) all[used++] = {const_cast<char*>(second), entry.second};
  // Of a write, what was written of it.
  auto left = op == op_write ? static_cast<size_t>(std::max<int64_t>(result, 0)) : SIZE_MAX;
  int written = 0;
  for (int i = 0; i < count && left > 0; ++i) {
    if (used == IOV_MAX) std::abort();
    const size_t size = std::min(left, parts[i].iov_len);
    all[used++] = {parts[i].iov_base, size};
    entry.third += static_cast<uint32_t>(size);
    left -= size;
  }
  for (iovec* next = all; written < used;) {
    long put = syscall(SYS_writev, log_fd, next, used - written);
    if (put < 0) std::abort();
    while (written < used && static_cast<size_t>(put) >= next->iov_len) {
      put -= static_cast<long>(next->iov_len);
      ++next;
      ++written;
    }
    if (written < used) {
      next->iov_base = static_cast<char*>(next->iov_base) + put;
      next->iov_len -= static_cast<size_t>(put);
    }
  }
}

void note(Op op, uint64_t handle, int64_t offset, int64_t result, const iovec* parts = nullptr, int count = 0) {
  if (log_fd < 0) return;
  const Lock lock;
  note_locked(op, handle, offset, result, "", "", parts, count);
}

// One call that changes something: 0, or the errno it has to fail with. Dies here when it is told to die before.
class Turn {
 public:
  explicit Turn(Op op) : number_(++control->calls) {
    if (its_turn() && control->die_how == before) die();
    if ((control->fail_ops & uint64_t{1} << op) == 0) return;
    for (uint64_t left = control->fail_left; left > 0;) {
      if (!control->fail_left.compare_exchange_weak(left, left - 1)) continue;
      ++control->failed;
      error_ = static_cast<int>(control->fail_errno);
      return;
    }
  }
  bool midway_is_the_end() const { return its_turn() && control->die_how == midway; }
  bool fails() const { return error_ != 0; }
  int error() const { return error_; }
  // Behind the call: returns what it returned.
  long end(long result) const {
    const int kept = errno;
    if (its_turn()) die();
    errno = kept;
    return result;
  }
  long fail() const {
    errno = error_;
    return -1;
  }

 private:
  bool its_turn() const {
    const uint64_t at = control->die_at;
    return at != 0 && number_ >= at;
  }

  uint64_t number_;
  int error_ = 0;
};

int64_t told(long result) { return result < 0 ? -errno : result; }

int open_file(const char* path, int flags, mode_t mode) {
  const auto call = [&] { return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode)); };
  if (!watched(path)) return call();
  const auto opened = [&](int fd) {
    const int kept = errno;
    if (fd >= 0 && fd < most) {
      const auto pid = static_cast<uint64_t>(syscall(SYS_getpid));
      handles[fd] = pid << 32 | ++next_handle;
      note_locked(op_open, handles[fd], flags, fd, path);
    }
    errno = kept;
    return fd;
  };
  const Lock lock;
  if ((flags & (O_CREAT | O_TRUNC)) == 0) return opened(call());
  const Turn turn(op_open);
  if (turn.fails()) return static_cast<int>(turn.fail());
  return static_cast<int>(turn.end(opened(call())));
}

ssize_t write_file(int fd, const iovec* parts, int count, off_t offset, bool at_end) {
  const auto put = [&](const iovec* from, int parts_of) {
    return at_end ? syscall(SYS_writev, fd, from, parts_of) : syscall(SYS_pwritev, fd, from, parts_of, offset, 0L);
  };
  const uint64_t handle = handle_of(fd);
  if (handle == 0) return put(parts, count);
  const Turn turn(op_write);
  if (turn.fails()) return turn.fail();
  if (turn.midway_is_the_end()) {
    size_t half = 0;
    for (int i = 0; i < count; ++i) half += parts[i].iov_len;
    half /= 2;
    for (int i = 0; i < count && half > 0; ++i) {
      const iovec part{parts[i].iov_base, std::min(half, parts[i].iov_len)};
      const long done = put(&part, 1);
      if (done <= 0) break;
      offset += done;
      half -= static_cast<size_t>(done);
    }
    die();
  }
  const Lock lock;
  const auto where = at_end ? static_cast<off_t>(syscall(SYS_lseek, fd, 0L, SEEK_CUR)) : offset;
  const long done = put(parts, count);
  const int kept = errno;
  if (done > 0) note(op_write, handle, where, done, parts, count);
  errno = kept;
  return turn.end(done);
}

int sync(int fd, long number) {
  const uint64_t handle = handle_of(fd);
  if (handle == 0) return static_cast<int>(syscall(number, fd));
  const Turn turn(op_sync);
  note(op_sync, handle, 0, 0);
  uint64_t slept = 0;
  for (uint64_t delay; (delay = control->sync_delay) > slept;) {  // it may be made shorter meanwhile
    const uint64_t slice = std::min<uint64_t>(delay - slept, 100000);
    const timespec pause{0, static_cast<long>(slice * 1000)};
    syscall(SYS_nanosleep, &pause, nullptr);
    slept += slice;
  }
  const long result = turn.fails() ? turn.fail() : syscall(number, fd);
  const int kept = errno;
  note(op_synced, handle, 0, told(result));
  if (result == 0) ++control->syncs;
  errno = kept;
  return static_cast<int>(turn.end(result));
}

bool is_bad_sector(int fd, uint64_t from, uint64_t to) {
  const uint64_t inode = control->bad_inode;
  if (inode == 0 || handle_of(fd) == 0 || from >= control->bad_to || to <= control->bad_from) return false;
  struct stat about = {};
  return syscall(SYS_fstat, fd, &about) == 0 && about.st_ino == inode;
}

// A disk that is slow for one thread alone: what the others do meanwhile can be seen. And one with a bad sector.
ssize_t read_file(int fd, void* bytes, size_t size, off_t offset) {
  if (handle_of(fd) != 0 && control->hold_reads != 0) {
    char name[16] = {};
    syscall(SYS_prctl, PR_GET_NAME, name);
    uint64_t start = 0;
    std::memcpy(&start, name, sizeof start);
    bool waits = start == control->hold_reads;
    for (uint64_t left = control->reads_left; waits && left > 0;)
      if (control->reads_left.compare_exchange_weak(left, left - 1)) waits = false;
    if (waits) ++control->held_reads;
    while (waits && control->hold_reads != 0 && control->reads_left == 0) {
      const timespec pause{0, 1000000};
      syscall(SYS_nanosleep, &pause, nullptr);
    }
    if (waits) --control->held_reads;
  }
  if (is_bad_sector(fd, static_cast<uint64_t>(offset), static_cast<uint64_t>(offset) + size)) {
    errno = EIO;
    return -1;
  }
  return syscall(SYS_pread64, fd, bytes, size, offset);
}

template <typename Call>
int change_name(Op op, const char* from, const char* to, Call call) {
  if (!watched(from) && !watched(to)) return static_cast<int>(call());
  const Turn turn(op);
  if (turn.fails()) return static_cast<int>(turn.fail());
  const Lock lock;
  const long result = call();
  const int kept = errno;
  if (result == 0) note_locked(op, 0, 0, 0, from, to);
  errno = kept;
  return static_cast<int>(turn.end(result));
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const auto mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open_file(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const auto mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open_file(path, flags, mode);
}
int close(int fd) {
  if (fd >= 0 && fd < most) handles[fd] = 0;
  return static_cast<int>(syscall(SYS_close, fd));
}
ssize_t write(int fd, const void* bytes, size_t size) {
  if (handle_of(fd) == 0) return syscall(SYS_write, fd, bytes, size);
  const iovec part{const_cast<void*>(bytes), size};
  return write_file(fd, &part, 1, 0, true);
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  const iovec part{const_cast<void*>(bytes), size};
  return write_file(fd, &part, 1, offset, false);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) { return pwrite(fd, bytes, size, offset); }
ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  return write_file(fd, parts, count, offset, false);
}
ssize_t pwritev64(int fd, const iovec* parts, int count, off64_t offset) { return pwritev(fd, parts, count, offset); }
ssize_t pread(int fd, void* bytes, size_t size, off_t offset) { return read_file(fd, bytes, size, offset); }
ssize_t pread64(int fd, void* bytes, size_t size, off64_t offset) { return read_file(fd, bytes, size, offset); }
int fdatasync(int fd) { return sync(fd, SYS_fdatasync); }
int fsync(int fd) { return sync(fd, SYS_fsync); }
int ftruncate(int fd, off_t size) noexcept {
  const uint64_t handle = handle_of(fd);
  if (handle == 0) return static_cast<int>(syscall(SYS_ftruncate, fd, size));
  const Turn turn(op_truncate);
  if (turn.fails()) return static_cast<int>(turn.fail());
  const Lock lock;
  const long result = syscall(SYS_ftruncate, fd, size);
  const int kept = errno;
  if (result == 0) note(op_truncate, handle, size, 0);
  errno = kept;
  return static_cast<int>(turn.end(result));
}
int ftruncate64(int fd, off64_t size) noexcept { return ftruncate(fd, size); }
int unlink(const char* path) noexcept {
  return change_name(op_unlink, path, "", [&] { return syscall(SYS_unlink, path); });
}
int rename(const char* from, const char* to) noexcept {
  return change_name(op_rename, from, to, [&] { return syscall(SYS_rename, from, to); });
}
int link(const char* from, const char* to) noexcept {
  return change_name(op_link, from, to, [&] { return syscall(SYS_link, from, to); });
}
int mkdir(const char* path, mode_t mode) noexcept {
  return change_name(op_mkdir, path, "", [&] { return syscall(SYS_mkdir, path, mode); });
}
ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  const iovec part{const_cast<void*>(bytes), size};
  note(op_send, static_cast<uint64_t>(fd), 0, 0, &part, 1);
  return syscall(SYS_sendto, fd, bytes, size, flags, nullptr, 0);
}

}  // extern "C"
