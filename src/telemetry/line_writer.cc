// LineWriter's two sides: append() and friends for everybody, run() for the
// writer thread.
#include "telemetry/line_writer.h"

#include "base/thread_name.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace impulse::telemetry {
namespace {

// A pipe that is ready takes at least this much without blocking (POSIX).
constexpr size_t pipe_piece = 512;
constexpr int pipe_patience_ms = 200;
constexpr Duration longest_sleep = std::chrono::minutes(1);  // a clock may jump over the time of a rotation
constexpr auto turn_pause = std::chrono::minutes(1);         // before a rotation is tried again

}  // namespace

Result<std::unique_ptr<LineWriter>> LineWriter::open(const std::string& path, Options options) {
  if (path.empty()) {
    UniqueFd fd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!fd) return fail_errno(errno, "cannot log to standard error");
    return over(std::move(fd), std::move(options));
  }
  auto file = LogFile::open(path);
  if (!file) return std::unexpected(file.error());
  return std::unique_ptr<LineWriter>(new LineWriter(path, std::move(*file), std::move(options)));
}

std::unique_ptr<LineWriter> LineWriter::over(UniqueFd fd, Options options) {
  return std::unique_ptr<LineWriter>(new LineWriter({}, LogFile(std::move(fd)), std::move(options)));
}

LineWriter::LineWriter(std::string path, LogFile file, Options options)
    : path_(std::move(path)),
      options_(std::move(options)),
      size_(file.size()),
      terms_(options_.context.terms),
      next_beat_(steady_now() + terms_.heartbeat),
      file_(std::move(file)) {
  if (options_.context.keeper != nullptr && !path_.empty() && file_.regular())
    options_.context.keeper->look_after(file_.place(), terms_.rotation);
  thread_ = std::thread([this] { run(); });
}

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
      if (options_.lost && options_.context.counters != nullptr)
        options_.context.counters->add(*options_.lost, static_cast<int64_t>(lines));
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

void LineWriter::lose(uint64_t lines) {
  {
    const std::lock_guard lock(mutex_);
    lost_ += lines;
    dropped_ += lines;
  }
  if (options_.lost && options_.context.counters != nullptr)
    options_.context.counters->add(*options_.lost, static_cast<int64_t>(lines));
  wake_.notify_one();
}

Result<> LineWriter::reopen() {
  if (path_.empty()) return {};
  auto file = LogFile::open(path_);
  if (!file) return std::unexpected(file.error());
  {
    const std::lock_guard lock(mutex_);
    next_ = std::move(*file);
  }
  wake_.notify_one();
  return {};
}

void LineWriter::rotate() {
  {
    const std::lock_guard lock(mutex_);
    turn_ = true;
  }
  wake_.notify_one();
}

void LineWriter::set_terms(const LogTerms& terms) {
  {
    const std::lock_guard lock(mutex_);
    if (terms.heartbeat != terms_.heartbeat) {
      next_beat_ = steady_now() + terms.heartbeat;
      changed_ = true;
    }
    changed_ = changed_ || terms.rotation != terms_.rotation;
    terms_ = terms;
  }
  wake_.notify_one();
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

LineWriter::Status LineWriter::status() const {
  const std::lock_guard lock(mutex_);
  return {path_, size_, pending_.size() + unwritten_, dropped_, rotations_, trouble_};
}

// What a crash left of a line in the file gets its end, before another is written.
bool LineWriter::mend() {
  if (!file_.torn() || !file_.regular() || (offset_ > 0 && chunk_[offset_ - 1] != '\n')) return true;
  if (::write(file_.fd(), "\n", 1) != 1) return false;
  file_.wrote("\n", options_.clock());
  return true;
}

// Writes from chunk_ what the file takes; false when it takes nothing now.
bool LineWriter::write_some(const Rotation& rotation) {
  if (!mend()) return false;
  std::string_view piece = std::string_view(chunk_).substr(offset_);
  piece = piece.substr(0, file_.allowance(piece, rotation));
  if (!file_.regular()) {
    pollfd ready{file_.fd(), POLLOUT, 0};
    if (::poll(&ready, 1, pipe_patience_ms) <= 0 || (ready.revents & POLLOUT) == 0) {
      errno = EAGAIN;
      return false;
    }
    piece = piece.substr(0, pipe_piece);
  }
  const ssize_t count = ::write(file_.fd(), piece.data(), piece.size());
  if (count < 0) return errno == EINTR;
  file_.wrote(piece.substr(0, static_cast<size_t>(count)), options_.clock());
  offset_ += static_cast<size_t>(count);
  return true;
}

// Goes over to the file that reopen() left. The mutex is held. A line that the
// old file has in part begins anew in the new one.
void LineWriter::adopt_next() {
  if (!next_) return;
  // A rotation may have come between.
  if (next_->moved()) {
    if (auto again = LogFile::open(path_)) next_ = std::move(*again);
  }
  next_->look_again();  // it may be the one that was written to meanwhile
  file_ = std::move(*next_);
  next_.reset();
  if (offset_ == 0 || offset_ == chunk_.size()) return;
  const size_t newline = chunk_.rfind('\n', offset_ - 1);
  const size_t line = newline == std::string::npos ? 0 : newline + 1;
  finished_ -= std::min<uint64_t>(offset_ - line, finished_);
  offset_ = line;
  unwritten_ = chunk_.size() - offset_;
}

// How long nothing is to be done unless somebody comes. The mutex is held.
Duration LineWriter::pause() const {
  const SteadyTime now = steady_now();
  Duration least = longest_sleep;
  if (terms_.heartbeat > Duration{0} && options_.heartbeat)
    least = std::min(least, std::chrono::ceil<Duration>(next_beat_ - now));
  if (now < no_turn_before_) return std::min(least, std::chrono::ceil<Duration>(no_turn_before_ - now));
  const WallTime look = file_.next_look(terms_.rotation);
  if (look != WallTime::max()) least = std::min(least, look - options_.clock());
  return std::max(least, Duration{0});
}

// A sign of life, unless there are signs enough that there is none. The mutex is held.
void LineWriter::beat() {
  const SteadyTime now = steady_now();
  if (terms_.heartbeat <= Duration{0} || !options_.heartbeat || now < next_beat_) return;
  next_beat_ = now + terms_.heartbeat;
  if (!trouble_.empty()) return;
  const std::string line = options_.heartbeat(options_.clock());
  pending_ += line;
  appended_ += line.size();
  urgent_ = true;
}

// The mutex is held, and the last chunk written.
void LineWriter::next_chunk() {
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

void LineWriter::complain(std::unique_lock<std::mutex>& lock, std::string_view id, const std::string& text) {
  if (!options_.context.trouble) return;
  lock.unlock();
  options_.context.trouble(id, text);
  lock.lock();
}

// Rotates the file if it is time. The mutex is held, and let go of meanwhile.
void LineWriter::turn_over(std::unique_lock<std::mutex>& lock) {
  const bool asked = std::exchange(turn_, false) && file_.regular() && file_.size() > 0 && !path_.empty();
  const bool changed = std::exchange(changed_, false);
  const Rotation rotation = terms_.rotation;
  const SteadyTime now = steady_now();
  std::string why;
  bool turned = false;
  lock.unlock();
  if (now >= no_turn_before_ && !mend()) no_turn_before_ = now + turn_pause;
  if (!file_.torn() && (asked || (now >= no_turn_before_ && file_.due(rotation, options_.clock())))) {
    const auto rotated = file_.rotate(options_.clock());
    turned = rotated.has_value();
    if (!rotated) why = rotated.error().message;
    no_turn_before_ = turned ? SteadyTime{} : now + turn_pause;
  }
  if ((turned || changed) && options_.context.keeper != nullptr && !path_.empty() && file_.regular())
    options_.context.keeper->look_after(file_.place(), rotation);
  lock.lock();
  if (turned) ++rotations_;
  size_ = file_.size();
  if (!why.empty()) complain(lock, "log-rotation-failed", why);
}

void LineWriter::run() {
  name_thread(options_.name);
  std::unique_lock lock(mutex_);
  bool stuck = false;  // the last attempt failed
  for (;;) {
    const auto called = [this] { return stop_ || next_ || turn_ || changed_; };
    if (stuck) {
      wake_.wait_for(lock, options_.retry, [this] { return stop_ || next_; });
    } else if (offset_ == chunk_.size()) {
      wake_.wait_for(lock, pause(), [&] { return called() || !pending_.empty() || lost_ > 0; });
      beat();
      if (!pending_.empty() || lost_ > 0)
        wake_.wait_for(lock, options_.delay, [&] { return called() || urgent_ || pending_.size() >= options_.batch; });
    }
    adopt_next();
    if (!stuck) turn_over(lock);
    if (offset_ == chunk_.size()) next_chunk();
    if (chunk_.empty()) {
      if (stop_) return;
      continue;
    }
    const size_t before = offset_;
    const Rotation rotation = steady_now() < no_turn_before_ ? Rotation{} : terms_.rotation;
    lock.unlock();
    const bool ok = write_some(rotation);
    const int error = ok ? 0 : errno;
    lock.lock();
    finished_ += offset_ - before;
    unwritten_ = chunk_.size() - offset_;
    size_ = file_.size();
    stuck = !ok;
    if (!ok) ++failures_;
    if (!ok || unwritten_ == 0) written_.notify_all();
    if (ok) {
      trouble_.clear();
    } else if (const bool first = trouble_.empty(); trouble_ = errno_text(error), first) {
      complain(lock, "log-write-failed", fmt::format("{}: {}; lines wait in memory", path_, trouble_));
    }
    // The end does not wait for a file that takes nothing; but there may be another one.
    if (stop_ && ((stuck && !next_) || (unwritten_ == 0 && pending_.empty()))) return;
  }
}

}  // namespace impulse::telemetry
