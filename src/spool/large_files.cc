#include "spool/large_files.h"

#include "base/crc32c.h"
#include "base/thread_name.h"
#include "spool/segment_files.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <random>

namespace impulse::spool {

namespace {

constexpr std::string_view suffix = ".body";
constexpr size_t digits = 16;
constexpr size_t window = 256 << 10;

}  // namespace

std::string rest_name(uint64_t number) { return fmt::format("{:016X}{}", number, suffix); }

std::optional<uint64_t> parse_rest_name(std::string_view name) {
  if (name.size() != digits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + digits, number, 16);
  if (error != std::errc() || end != name.data() + digits || rest_name(number) != name) return std::nullopt;
  return number;
}

Result<> LargeFiles::make_folder() const {
  if (const int result = ops_->make_directories(folder_, 0750); result < 0) return file_error(result, folder_);
  if (const int result = ops_->sync_directory(base_); result < 0) return file_error(result, base_);
  return {};
}

Result<LargeFiles::Created> LargeFiles::create() const {
  std::random_device random;
  for (int attempts = 0;; ++attempts) {
    const uint64_t number = uint64_t{random()} << 32 | random();
    const int fd = ops_->open(path(number), O_RDWR | O_CREAT | O_EXCL, mode_);
    if (fd >= 0) return Created{number, std::make_shared<File>(ops_, fd)};
    if (fd != -EEXIST || attempts == 8) return file_error(fd, path(number));
  }
}

Result<std::vector<uint64_t>> LargeFiles::list() const {
  std::vector<std::string> names;
  if (const int result = ops_->list(folder_, names); result < 0) return file_error(result, folder_);
  std::vector<uint64_t> numbers;
  for (const std::string& name : names)
    if (const auto number = parse_rest_name(name)) numbers.push_back(*number);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<std::shared_ptr<File>> LargeFiles::open(const Rest& rest) const {
  const int fd = ops_->open(path(rest.number), O_RDONLY, 0);
  if (fd < 0) return file_error(fd, path(rest.number));
  auto file = std::make_shared<File>(ops_, fd);
  const int64_t size = ops_->size(fd);
  if (size < 0) return file_error(size, path(rest.number));
  if (static_cast<uint64_t>(size) != rest.length)
    return fail(Errc::invalid, "{}: {} bytes, {} were accepted", path(rest.number), size, rest.length);
  return file;
}

namespace {

// The whole file once, in order, checked at its end.
class RestReader final : public message::BodyReader {
 public:
  RestReader(std::shared_ptr<const File> file, const Rest& rest, std::string path)
      : file_(std::move(file)), rest_(rest), path_(std::move(path)) {}

  Result<std::string_view> next() override {
    block_.resize(std::min<uint64_t>(window, rest_.length - at_));
    if (block_.empty()) return std::string_view();
    if (const int result = file_->read(block_.data(), block_.size(), at_); result < 0) return file_error(result, path_);
    const uint32_t crc = crc32c(crc_, block_);
    // Who asks again hears the same, and never of an end.
    if (at_ + block_.size() == rest_.length && crc != rest_.crc)
      return fail(Errc::invalid, "{}: the body is damaged", path_);
    at_ += block_.size();
    crc_ = crc;
    return block_;
  }

 private:
  const std::shared_ptr<const File> file_;
  const Rest rest_;
  const std::string path_;
  std::string block_;
  uint64_t at_ = 0;
  uint32_t crc_ = 0;
};

class RestSource final : public message::BodySource {
 public:
  RestSource(std::shared_ptr<const File> file, const Rest& rest, std::string path)
      : file_(std::move(file)), rest_(rest), path_(std::move(path)) {}

  uint64_t size() const override { return rest_.length; }
  std::unique_ptr<message::BodyReader> reader() const override {
    return std::make_unique<RestReader>(file_, rest_, path_);
  }

 private:
  const std::shared_ptr<const File> file_;
  const Rest rest_;
  const std::string path_;
};

Result<> read_through(message::BodyReader&& reader, const std::atomic<bool>* stop) {
  for (;;) {
    if (stop != nullptr && *stop) return fail(Errc::busy, "a large body was not read to its end, as it is to stop");
    const auto piece = reader.next();
    if (!piece) return std::unexpected(piece.error());
    if (piece->empty()) return {};
  }
}

}  // namespace

Result<> LargeFiles::check(const Rest& rest, bool whole, const std::atomic<bool>* stop) const {
  auto file = open(rest);
  if (!file) return std::unexpected(file.error());
  if (!whole) return {};
  // Only what the disk has counts.
  (void)ops_->sync_file((*file)->fd());
  (void)ops_->drop_cache((*file)->fd());
  return read_through(RestReader(std::move(*file), rest, path(rest.number)), stop);
}

Result<std::shared_ptr<const message::BodySource>> LargeFiles::source(const Rest& rest) const {
  auto file = open(rest);
  if (!file) return std::unexpected(file.error());
  auto source = std::make_shared<const RestSource>(std::move(*file), rest, path(rest.number));
  if (auto sound = read_through(std::move(*source->reader()), nullptr); !sound)
    return std::unexpected(std::move(sound.error()));
  return source;
}

Result<> LargeFiles::read(const Rest& rest, std::string& out) const {
  const auto file = open(rest);
  if (!file) return std::unexpected(file.error());
  const size_t start = out.size();
  int result = 0;
  // Not the lambda's `count`: GCC 12 passes the capacity there.
  const size_t whole = start + rest.length;
  out.resize_and_overwrite(whole, [&](char* to, size_t) {
    result = (*file)->read(to + start, rest.length, 0);
    return result < 0 ? start : whole;
  });
  if (result < 0) return file_error(result, path(rest.number));
  if (crc32c(0, std::string_view(out).substr(start)) != rest.crc)
    return fail(Errc::invalid, "{}: the body is damaged", path(rest.number));
  return {};
}

Result<> LargeFiles::remove(uint64_t number) const {
  if (const int result = ops_->unlink(path(number)); result < 0 && result != -ENOENT)
    return file_error(result, path(number));
  return {};
}

Result<> LargeFiles::keep_aside(uint64_t number) const {
  if (drop_damage_) {
    if (auto removed = remove(number); !removed) return removed;
    return sync_names();
  }
  const std::string quarantine = base_ + "/quarantine";
  if (const int result = ops_->make_directories(quarantine, 0750); result < 0) return file_error(result, quarantine);
  const std::string name = quarantine + "/" + rest_name(number) + ".bad";
  if (const int result = ops_->rename(path(number), name); result < 0) return file_error(result, name);
  if (const int result = ops_->sync_directory(quarantine); result < 0) return file_error(result, quarantine);
  return sync_names();
}

Result<> LargeFiles::sync_names() const {
  if (const int result = ops_->sync_directory(folder_); result < 0) return file_error(result, folder_);
  return {};
}

LargeWork::LargeWork() : thread_([this] { run(); }) {}

void LargeWork::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) {
      waiting_.push_back(std::move(work));
      changed_.notify_one();
      return;
    }
  }
  work();
}

void LargeWork::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void LargeWork::run() {
  name_thread("spool-large");
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) break;
    auto work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    work = nullptr;  // what it holds may post more
    lock.lock();
  }
  stopped_ = true;
}

}  // namespace impulse::spool
