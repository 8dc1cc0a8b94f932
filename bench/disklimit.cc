// disklimit: what the disk itself can do for messages: the bytes of a group by
// one pwritev, then one fdatasync, again and again, without anything else. It is
// what the spool's committer does with the messages that wait for it, and so the
// limit that injection is measured against.
//
//   disklimit FOLDER [--seconds 2] [--sizes 1024,10240,102400] [--groups 1,20,100] [--bytes 1048576,8388608]
//             [--threads 1] [--ahead 524288] [--segment 1073741824] [--json]
//
// --groups: so many messages each; --bytes: as many messages as fill so many
// bytes. --threads: each writes files of its own. --ahead: zeros that small groups
// (up to 128 KiB) write beyond themselves, so that the next ones do not let the file
// grow; 0: none. A file is replaced by a new one when it has --segment bytes; two
// are there at most for each thread. Latencies are those of a group, in microseconds.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Beside its body each record of the spool has a header, and the envelope.
constexpr size_t record_overhead = 160;
constexpr uint64_t small_group = 128 << 10;
constexpr uint64_t page = 4096;

struct Settings {
  std::string folder;
  double seconds = 2;
  std::vector<uint64_t> sizes = {1024, 10240, 102400};
  std::vector<uint64_t> groups = {1, 20, 100};
  std::vector<uint64_t> bytes = {1 << 20, 8 << 20};
  unsigned threads = 1;
  uint64_t ahead = 512 << 10;
  uint64_t segment = 1 << 30;
  bool json = false;
};

struct Outcome {
  double messages = 0;  // a second
  double syncs = 0;     // a second
  float median = 0;     // of a group, microseconds
  float p99 = 0;
};

[[noreturn]] void die(std::string_view why) {
  fmt::print(stderr, "disklimit: {}\n", why);
  std::exit(1);
}

// One thread's files, one after the other.
class Log {
 public:
  Log(const Settings& settings, std::string name) : settings_(settings), name_(std::move(name)) { next_file(); }
  ~Log() {
    ::close(fd_);
    ::unlink(path(number_).c_str());
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(const std::string& record, uint64_t count) {
    const uint64_t size = record.size() * count;
    if (end_ + size > settings_.segment && end_ > 0) next_file();
    parts_.assign(count, {const_cast<char*>(record.data()), record.size()});
    const uint64_t end = end_ + size;
    uint64_t file_end = std::max(end, file_end_);
    if (end > file_end_ && settings_.ahead > 0 && size <= small_group) {
      file_end = (end + settings_.ahead) / page * page;
      zeros_.resize(settings_.ahead, '\0');
      parts_.push_back({zeros_.data(), file_end - end});
    }
    for (size_t next = 0; next < parts_.size();) {
      const auto some = static_cast<int>(std::min<size_t>(parts_.size() - next, IOV_MAX));
      const ssize_t put = ::pwritev(fd_, &parts_[next], some, static_cast<off_t>(end_ + done_));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) die(fmt::format("{}: {}", path(number_), std::strerror(errno)));
      advance(next, static_cast<size_t>(put));
    }
    if (::fdatasync(fd_) != 0) die(fmt::format("{}: {}", path(number_), std::strerror(errno)));
    end_ = end;
    file_end_ = file_end;
    done_ = 0;
  }

 private:
  std::string path(unsigned number) const { return fmt::format("{}/{}.{}", settings_.folder, name_, number); }
  void advance(size_t& next, size_t put) {
    done_ += put;
    for (; next < parts_.size() && put >= parts_[next].iov_len; ++next) put -= parts_[next].iov_len;
    if (next == parts_.size()) return;
    parts_[next].iov_base = static_cast<char*>(parts_[next].iov_base) + put;
    parts_[next].iov_len -= put;
  }
  void next_file() {
    if (fd_ >= 0) {
      ::close(fd_);
      ::unlink(path(number_).c_str());
    }
    fd_ = ::open(path(++number_).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd_ < 0) die(fmt::format("{}: {}", path(number_), std::strerror(errno)));
    end_ = file_end_ = 0;
  }

  const Settings& settings_;
  const std::string name_;
  unsigned number_ = 0;
  int fd_ = -1;
  uint64_t end_ = 0;       // of what is written
  uint64_t file_end_ = 0;  // behind that: zeros
  uint64_t done_ = 0;      // of the group under way
  std::vector<iovec> parts_;
  std::string zeros_;
};

Outcome measure(const Settings& settings, uint64_t size, uint64_t group) {
  std::string record;
  while (record.size() < size + record_overhead)
    record += "All work and no play makes a dull message of seventy-eight characters a line.\r\n";
  record.resize((size + record_overhead + 7) / 8 * 8);
  std::atomic<bool> stop{false};
  std::vector<std::vector<float>> micros(settings.threads);
  std::vector<Clock::time_point> ends(settings.threads);
  std::vector<std::thread> pool;
  const auto start = Clock::now();
  for (unsigned t = 0; t < settings.threads; ++t)
    pool.emplace_back([&, t] {
      Log log(settings, fmt::format("disklimit.{}.{}", ::getpid(), t));
      while (!stop.load(std::memory_order_relaxed)) {
        const auto begin = Clock::now();
        log.write(record, group);
        ends[t] = Clock::now();  // not behind the removal of its files
        micros[t].push_back(std::chrono::duration<float, std::micro>(ends[t] - begin).count());
      }
    });
  std::this_thread::sleep_for(std::chrono::duration<double>(settings.seconds));
  stop = true;
  for (auto& thread : pool) thread.join();
  const double took = std::chrono::duration<double>(*std::max_element(ends.begin(), ends.end()) - start).count();
  std::vector<float> all;
  for (const auto& part : micros) all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end());
  const auto count = static_cast<double>(all.size());
  return {count * static_cast<double>(group) / took, count / took, all[all.size() / 2], all[all.size() * 99 / 100]};
}

std::vector<uint64_t> numbers(std::string_view list) {
  std::vector<uint64_t> out;
  while (!list.empty()) {
    const auto word = std::string(list.substr(0, list.find(',')));
    list.remove_prefix(std::min(list.size(), word.size() + 1));
    char* end = nullptr;
    out.push_back(std::strtoull(word.c_str(), &end, 10));
    if (out.back() == 0 || *end != '\0') die(fmt::format("'{}' is no number of 1 and above", word));
  }
  return out;
}

Settings parse(int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') die("usage: disklimit FOLDER [options]; bench/disklimit.cc tells them");
  Settings settings;
  settings.folder = argv[1];
  for (int i = 2; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--json") {
      settings.json = true;
      continue;
    }
    if (++i == argc) die(fmt::format("'{}' needs a value", option));
    const std::string_view value = argv[i];
    if (option == "--sizes")
      settings.sizes = numbers(value);
    else if (option == "--groups")
      settings.groups = numbers(value);
    else if (option == "--bytes")
      settings.bytes = numbers(value);
    else if (option == "--seconds")
      settings.seconds = std::max(0.1, std::atof(argv[i]));
    else if (option == "--threads")
      settings.threads = static_cast<unsigned>(numbers(value).at(0));
    else if (option == "--ahead")
      settings.ahead = value == "0" ? 0 : numbers(value).at(0);
    else if (option == "--segment")
      settings.segment = numbers(value).at(0);
    else
      die(fmt::format("'{}' is not understood", option));
  }
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  if (!settings.json)
    fmt::print("{:>8} {:>8} {:>8} {:>12} {:>10} {:>10} {:>10} {:>10}\n", "size", "threads", "group", "messages/s",
               "MB/s", "syncs/s", "median us", "99% us");
  std::string rows;
  for (const uint64_t size : settings.sizes) {
    std::vector<uint64_t> groups = settings.groups;
    for (const uint64_t bytes : settings.bytes) groups.push_back(std::max<uint64_t>(1, bytes / size));
    std::sort(groups.begin(), groups.end());
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    for (const uint64_t group : groups) {
      const Outcome outcome = measure(settings, size, group);
      const double megabytes = outcome.messages * static_cast<double>(size) / 1e6;
      if (settings.json)
        rows += fmt::format(
            "{}{{\"size\": {}, \"threads\": {}, \"group\": {}, \"messages_per_second\": {:.1f}, \"mb_per_second\": "
            "{:.2f}, \"syncs_per_second\": {:.1f}, \"p50\": {:.0f}, \"p99\": {:.0f}}}",
            rows.empty() ? "" : ", ", size, settings.threads, group, outcome.messages, megabytes, outcome.syncs,
            outcome.median, outcome.p99);
      else
        fmt::print("{:8} {:8} {:8} {:12.0f} {:10.1f} {:10.0f} {:10.0f} {:10.0f}\n", size, settings.threads, group,
                   outcome.messages, megabytes, outcome.syncs, outcome.median, outcome.p99);
      std::fflush(stdout);
    }
  }
  if (settings.json) fmt::print("[{}]\n", rows);
  return 0;
}
