// LineWriter's two sides: append() and friends for everybody, run() for the
// writer thread.
#include "telemetry/line_writer.h"

#include "base/thread_name.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace impulse::telemetry {
namespace {

// With O_NONBLOCK while opening, so that a FIFO without a reader is an error
// (ENXIO) instead of a wait.
Result<UniqueFd> open_for_append(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
  if (!fd) return fail_errno(errno, fmt::format("cannot open log {}", path));
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK) < 0) {
    return fail_errno(errno, fmt::format("cannot open log {}", path));
  }
  return fd;
}

bool is_regular(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

// A pipe that is ready takes at least this much without blocking (POSIX).
constexpr size_t pipe_piece = 512;
constexpr int pipe_patience_ms = 200;

}  // namespace

Result<std::unique_ptr<LineWriter>> LineWriter::open(const std::string& path, Options options) {
  if (path.empty()) {
    UniqueFd fd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!fd) return fail_errno(errno, "cannot log to standard error");
    return over(std::move(fd), std::move(options));
  }
  auto fd = open_for_append(path);
  if (!fd) return std::unexpected(fd.error());
  return std::unique_ptr<LineWriter>(new LineWriter(path, std::move(*fd), std::move(options)));
}

std::unique_ptr<LineWriter> LineWriter::over(UniqueFd fd, Options options) {
  return std::unique_ptr<LineWriter>(new LineWriter({}, std::move(fd), std::move(options)));
}

LineWriter::LineWriter(std::string path, UniqueFd fd, Options options)
    : path_(std::move(path)),
      options_(std::move(options)),
      fd_(std::move(fd)),
      regular_(is_regular(fd_.get())),
      thread_([this] { run(); }) {}

LineWriter::~LineWriter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void LineWriter::append(std::string_view line, bool urgent) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (pending_.size() + unwritten_ + line.size() > options_.bound) {
      const auto lines = static_cast<uint64_t>(std::count(line.begin(), line.end(), '\n'));
      lost_ += lines;
      dropped_ += lines;
      return;
    }
    // The writer sleeps deeply while nothing waits, and lightly (for `delay`)
    // once something does: it is woken only where that changes.
    wake = pending_.empty() || (urgent && !urgent_) ||
           (pending_.size() < options_.batch && pending_.size() + line.size() >= options_.batch);
    pending_.append(line);
    appended_ += line.size();
    urgent_ = urgent_ || urgent;
  }
  if (wake) wake_.notify_one();
}

Result<> LineWriter::reopen() {
  if (path_.empty()) return {};
  auto fd = open_for_append(path_);
  if (!fd) return std::unexpected(fd.error());
  {
    const std::lock_guard lock(mutex_);
    next_ = std::move(*fd);
  }
  wake_.notify_one();
  return {};
}

void LineWriter::flush() {
  std::unique_lock lock(mutex_);
  const uint64_t target = appended_;
  const uint64_t failures = failures_;
  if (finished_ >= target) return;
  urgent_ = true;
  wake_.notify_one();
  written_.wait(lock, [&] { return finished_ >= target || failures_ != failures; });
}

uint64_t LineWriter::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

// Writes from chunk_ what the file takes; false when it takes nothing now.
bool LineWriter::write_some() {
  size_t piece = chunk_.size() - offset_;
  if (!regular_) {
    pollfd ready{fd_.get(), POLLOUT, 0};
    if (::poll(&ready, 1, pipe_patience_ms) <= 0 || (ready.revents & POLLOUT) == 0) return false;
    piece = std::min(piece, pipe_piece);
  }
  const ssize_t count = ::write(fd_.get(), chunk_.data() + offset_, piece);
  if (count < 0) return errno == EINTR;
  offset_ += static_cast<size_t>(count);
  return true;
}

// Goes over to the descriptor that reopen() left. The mutex is held. A line
// that the old file has in part begins anew in the new one.
void LineWriter::adopt_next() {
  if (!next_) return;
  fd_ = std::exchange(next_, UniqueFd());
  regular_ = is_regular(fd_.get());
  if (offset_ == 0 || offset_ == chunk_.size()) return;
  const size_t newline = chunk_.rfind('\n', offset_ - 1);
  const size_t line = newline == std::string::npos ? 0 : newline + 1;
  finished_ -= std::min<uint64_t>(offset_ - line, finished_);
  offset_ = line;
  unwritten_ = chunk_.size() - offset_;
}

void LineWriter::run() {
  name_thread(options_.name);
  std::unique_lock lock(mutex_);
  bool stuck = false;  // the last attempt failed
  for (;;) {
    if (stuck) {
      wake_.wait_for(lock, options_.retry, [this] { return stop_ || next_; });
    } else if (offset_ == chunk_.size()) {
      wake_.wait(lock, [this] { return stop_ || next_ || !pending_.empty() || lost_ > 0; });
      wake_.wait_for(lock, options_.delay,
                     [this] { return stop_ || urgent_ || next_ || pending_.size() >= options_.batch; });
    }
    adopt_next();
    if (offset_ == chunk_.size()) {
      if (chunk_.capacity() > 4 * options_.batch) std::string().swap(chunk_);  // grown while stuck
      chunk_.clear();
      offset_ = 0;
      chunk_.swap(pending_);
      urgent_ = false;
      if (lost_ > 0 && options_.loss) {
        const std::string line = options_.loss(lost_);
        chunk_ += line;
        appended_ += line.size();
      }
      lost_ = 0;
      unwritten_ = chunk_.size();
    }
    if (chunk_.empty()) {
      if (stop_) return;
      continue;
    }
    const size_t before = offset_;
    lock.unlock();
    const bool ok = write_some();
    lock.lock();
    finished_ += offset_ - before;
    unwritten_ = chunk_.size() - offset_;
    stuck = !ok;
    if (!ok) ++failures_;
    if (!ok || unwritten_ == 0) written_.notify_all();
    // The end does not wait for a file that takes nothing.
    if (stop_ && (stuck || (unwritten_ == 0 && pending_.empty()))) return;
  }
}

}  // namespace impulse::telemetry
