#include "telemetry/log_keeper.h"

#include "base/fd.h"
#include "base/thread_name.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace impulse::telemetry {
namespace {

constexpr std::string_view packed = ".gz";
constexpr std::string_view unfinished = ".gz.tmp";
constexpr size_t block = size_t{256} << 10;
constexpr int niceness = 10;  // mail comes first

struct Rotated {
  std::string stamp;
  bool compressed = false;
};

// Rotated files of the log, oldest first; `leftover`: what a crash left behind.
std::vector<Rotated> rotated_files(const std::filesystem::path& path, std::vector<std::string>& leftover) {
  std::vector<Rotated> found;
  const std::string prefix = path.filename().string() + ".";
  std::error_code error;
  for (std::filesystem::directory_iterator each(path.parent_path(), error), end; !error && each != end;
       each.increment(error)) {
    const std::string name = each->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    std::string_view rest = std::string_view(name).substr(prefix.size());
    if (rest.ends_with(unfinished) && is_rotation_stamp(rest.substr(0, rest.size() - unfinished.size()))) {
      leftover.push_back(each->path().string());
      continue;
    }
    const bool compressed = rest.ends_with(packed);
    if (compressed) rest.remove_suffix(packed.size());
    if (is_rotation_stamp(rest)) found.push_back({std::string(rest), compressed});
  }
  std::ranges::sort(found, [](const Rotated& a, const Rotated& b) {
    return a.stamp != b.stamp ? a.stamp < b.stamp : a.compressed < b.compressed;
  });
  return found;
}

void sync_folder(const std::string& file) {
  const UniqueFd folder(::open(std::filesystem::path(file).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) ::fsync(folder.get());
}

}  // namespace

LogKeeper::LogKeeper(Trouble trouble, Duration pause)
    : trouble_(std::move(trouble)), pause_(pause), thread_([this] { run(); }) {}

LogKeeper::~LogKeeper() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void LogKeeper::look_after(const std::string& path, const Rotation& rotation) {
  {
    const std::lock_guard lock(mutex_);
    logs_[path] = rotation;
    asked_[path] = rotation;
  }
  wake_.notify_one();
}

void LogKeeper::wait() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return asked_.empty() && !busy_; });
}

bool LogKeeper::stopping() const {
  const std::lock_guard lock(mutex_);
  return stop_;
}

void LogKeeper::run() {
  name_thread("log-keeper");
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), niceness);
  std::unique_lock lock(mutex_);
  while (!stop_) {
    wake_.wait_for(lock, pause_, [this] { return stop_ || !asked_.empty(); });
    if (stop_) return;
    const auto work = asked_.empty() ? logs_ : std::exchange(asked_, {});
    busy_ = true;
    lock.unlock();
    for (const auto& [path, rotation] : work) tidy(path, rotation);
    lock.lock();
    busy_ = false;
    idle_.notify_all();
  }
}

void LogKeeper::tidy(const std::string& path, const Rotation& rotation) {
  std::vector<std::string> leftover;
  std::vector<Rotated> files = rotated_files(path, leftover);
  const auto remove = [&](const std::string& file) {
    if (::unlink(file.c_str()) != 0 && errno != ENOENT)
      trouble_("log-keep-failed", fmt::format("cannot remove {}: {}", file, errno_text(errno)));
  };
  for (const std::string& file : leftover) remove(file);
  // Of one that is there twice the compressed one is whole.
  for (size_t i = 0; i + 1 < files.size();) {
    if (files[i].stamp == files[i + 1].stamp) {
      remove(path + "." + files[i].stamp);
      files.erase(files.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  const std::string oldest =
      rotation.keep_time > Duration{0} ? rotation_stamp(wall_now() - rotation.keep_time) : std::string();
  const size_t most = rotation.keep > 0 ? rotation.keep : SIZE_MAX;
  const size_t surplus = files.size() > most ? files.size() - most : 0;
  for (size_t i = 0; i < files.size() && !stopping(); ++i) {
    const std::string file = path + "." + files[i].stamp;
    if (i < surplus || files[i].stamp < oldest) {
      remove(files[i].compressed ? file + std::string(packed) : file);
    } else if (rotation.compress && !files[i].compressed && !compress(file)) {
      return;  // the next will not do better now
    }
  }
}

bool LogKeeper::compress(const std::string& file) {
  const auto failed = [&](const std::string& why) {
    ::unlink((file + std::string(unfinished)).c_str());
    trouble_("log-keep-failed", fmt::format("cannot compress {}: {}", file, why));
    return false;
  };
  const UniqueFd in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status{};
  if (!in || ::fstat(in.get(), &status) != 0) return failed(errno_text(errno));
  const std::string temporary = file + std::string(unfinished);
  const UniqueFd out(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!out || ::fchmod(out.get(), status.st_mode & 0777) != 0) return failed(errno_text(errno));
  const int again = ::fcntl(out.get(), F_DUPFD_CLOEXEC, 3);  // gzclose() closes it
  gzFile stream = again < 0 ? nullptr : ::gzdopen(again, "wb6");
  if (stream == nullptr) {
    if (again >= 0) ::close(again);
    return failed("no memory");
  }
  const auto buffer = std::make_unique<char[]>(block);
  std::optional<std::string> trouble;
  ssize_t count = 0;
  while (!trouble && (count = ::read(in.get(), buffer.get(), block)) > 0) {
    if (stopping()) {
      trouble = "";
    } else if (::gzwrite(stream, buffer.get(), static_cast<unsigned>(count)) != count) {
      int number = 0;
      const char* text = ::gzerror(stream, &number);
      trouble = number == Z_ERRNO ? errno_text(errno) : std::string(text);
    }
  }
  if (!trouble && count < 0) trouble = errno_text(errno);
  if (::gzclose(stream) != Z_OK && !trouble) trouble = errno_text(errno);
  if (!trouble && ::fsync(out.get()) != 0) trouble = errno_text(errno);
  if (trouble && trouble->empty()) return ::unlink(temporary.c_str()), false;  // the end
  if (trouble) return failed(*trouble);
  if (::rename(temporary.c_str(), (file + std::string(packed)).c_str()) != 0) return failed(errno_text(errno));
  sync_folder(file);
  ::unlink(file.c_str());
  return true;
}

}  // namespace impulse::telemetry
