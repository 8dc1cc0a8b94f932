// A shim between a process and the wall clock, for LD_PRELOAD: what it is told is
// the time, moved by the microseconds in the file CLOCK_SHIM_CONTROL, which may be
// changed meanwhile. Clocks that count from a start, and CPU time, are left alone.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

constexpr int64_t second = 1000000;  // µs
std::atomic<int64_t> still;
std::atomic<int64_t>* moved = &still;

__attribute__((constructor)) void begin() {
  const char* control = std::getenv("CLOCK_SHIM_CONTROL");
  if (control == nullptr) return;
  const auto fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, control, O_RDWR | O_CLOEXEC, 0));
  if (fd < 0) std::abort();
  void* shared = ::mmap(nullptr, sizeof *moved, PROT_READ, MAP_SHARED, fd, 0);
  if (shared == MAP_FAILED) std::abort();
  moved = static_cast<std::atomic<int64_t>*>(shared);
  syscall(SYS_close, fd);
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (syscall(SYS_clock_gettime, clock, time) != 0) return -1;
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return 0;
  const int64_t by = moved->load();
  time->tv_sec += by / second;
  time->tv_nsec += by % second * 1000;
  if (time->tv_nsec < 0) {
    time->tv_nsec += 1000 * second;
    --time->tv_sec;
  } else if (time->tv_nsec >= 1000 * second) {
    time->tv_nsec -= 1000 * second;
    ++time->tv_sec;
  }
  return 0;
}

int gettimeofday(timeval* time, void*) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* to) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (to != nullptr) *to = now.tv_sec;
  return now.tv_sec;
}
}
