// The writer behind both logs: order, rotation, a disk that is full, a pipe
// that is stuck, many threads.
#include "telemetry/line_writer.h"

#include "temp_dir.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <map>
#include <thread>

using namespace impulse;
using telemetry::LineWriter;

namespace {

LineWriter::Options quick() {
  LineWriter::Options options;
  options.delay = std::chrono::milliseconds(5);
  options.retry = std::chrono::milliseconds(5);
  options.loss = [](uint64_t lines) { return fmt::format("lost {}\n", lines); };
  return options;
}

std::unique_ptr<LineWriter> must_open(const std::string& path, LineWriter::Options options) {
  auto writer = LineWriter::open(path, std::move(options));
  CPPUNIT_ASSERT_MESSAGE(writer ? "" : writer.error().message, writer.has_value());
  return std::move(*writer);
}

std::string numbered(int number) { return fmt::format("line {:06} {:->60}\n", number, ""); }

// Reads a pipe until `enough` says so of all that came.
template <class Enough>
std::string read_until(int fd, Enough enough) {
  std::string text;
  std::array<char, 4096> block;
  while (!enough(text)) {
    const ssize_t count = ::read(fd, block.data(), block.size());
    if (count <= 0) break;
    text.append(block.data(), static_cast<size_t>(count));
  }
  return text;
}

}  // namespace

class LineWriterTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LineWriterTest);
  CPPUNIT_TEST(writes_in_order_and_appends);
  CPPUNIT_TEST(destructor_writes_what_waits);
  CPPUNIT_TEST(writes_by_itself);
  CPPUNIT_TEST(opening_tells_why_not);
  CPPUNIT_TEST(mode_is_not_for_everybody);
  CPPUNIT_TEST(reopens_after_rename);
  CPPUNIT_TEST(keeps_the_old_file_when_reopening_fails);
  CPPUNIT_TEST(full_disk_is_bridged_by_reopening);
  CPPUNIT_TEST(flush_and_end_do_not_hang_on_a_full_disk);
  CPPUNIT_TEST(stuck_pipe_costs_no_caller_and_bounded_memory);
  CPPUNIT_TEST(torn_line_begins_anew_in_the_next_file);
  CPPUNIT_TEST(many_threads_whole_lines);
  CPPUNIT_TEST(reopening_under_load_loses_nothing);
  CPPUNIT_TEST_SUITE_END();

  void writes_in_order_and_appends() {
    TempDir dir;
    const std::string path = dir / "log";
    {
      auto writer = must_open(path, quick());
      writer->append("one\n");
      writer->append("two\nthree\n");
      writer->flush();
      CPPUNIT_ASSERT_EQUAL(std::string("one\ntwo\nthree\n"), slurp(path));
    }
    auto writer = must_open(path, quick());
    writer->append("four\n");
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(std::string("one\ntwo\nthree\nfour\n"), slurp(path));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, writer->dropped());
  }

  void destructor_writes_what_waits() {
    TempDir dir;
    auto options = quick();
    options.delay = std::chrono::hours(1);
    std::string expected;
    {
      auto writer = must_open(dir / "log", options);
      for (int i = 0; i < 1000; ++i) {
        writer->append(numbered(i));
        expected += numbered(i);
      }
    }
    CPPUNIT_ASSERT_EQUAL(expected, slurp(dir / "log"));
  }

  // Neither flush nor end: a line arrives after the delay, an urgent one
  // before it, and a large batch before it.
  void writes_by_itself() {
    int ends[2];
    CPPUNIT_ASSERT_EQUAL(0, ::pipe2(ends, O_CLOEXEC));
    const UniqueFd reader(ends[0]);
    auto writer = LineWriter::over(UniqueFd(ends[1]), quick());
    writer->append("soon\n");
    read_until(reader.get(), [](const std::string& text) { return text.ends_with("soon\n"); });

    CPPUNIT_ASSERT_EQUAL(0, ::pipe2(ends, O_CLOEXEC));
    const UniqueFd patient_reader(ends[0]);
    auto options = quick();
    options.delay = std::chrono::hours(1);
    options.batch = 1000;
    auto patient = LineWriter::over(UniqueFd(ends[1]), options);
    patient->append("urgent\n", true);
    const std::string first =
        read_until(patient_reader.get(), [](const std::string& text) { return text.ends_with('\n'); });
    CPPUNIT_ASSERT_EQUAL(std::string("urgent\n"), first);
    patient->append("waits\n");
    patient->append("urgent again\n", true);
    const std::string second =
        read_until(patient_reader.get(), [](const std::string& text) { return text.ends_with("again\n"); });
    CPPUNIT_ASSERT_EQUAL(std::string("waits\nurgent again\n"), second);
    std::string batch;
    for (int i = 0; batch.size() < 1000; ++i) {
      batch += numbered(i);
      patient->append(numbered(i));
    }
    const std::string third =
        read_until(patient_reader.get(), [&](const std::string& text) { return text.size() >= batch.size(); });
    CPPUNIT_ASSERT_EQUAL(batch, third);
  }

  void opening_tells_why_not() {
    TempDir dir;
    const auto missing = LineWriter::open(dir / "no/such/log", quick());
    CPPUNIT_ASSERT(!missing);
    CPPUNIT_ASSERT(missing.error().code == Errc::not_found);
    CPPUNIT_ASSERT(missing.error().message.find(dir / "no/such/log") != std::string::npos);
    CPPUNIT_ASSERT(!LineWriter::open(dir / "", quick()));  // a directory
    CPPUNIT_ASSERT_EQUAL(0, ::mkfifo((dir / "fifo").c_str(), 0600));
    CPPUNIT_ASSERT(!LineWriter::open(dir / "fifo", quick()));  // nobody reads it; must not wait for one
  }

  void mode_is_not_for_everybody() {
    TempDir dir;
    const mode_t before = ::umask(0);
    must_open(dir / "log", quick());
    ::umask(before);
    struct stat status{};
    CPPUNIT_ASSERT_EQUAL(0, ::stat((dir / "log").c_str(), &status));
    CPPUNIT_ASSERT_EQUAL(mode_t{0640}, static_cast<mode_t>(status.st_mode & 07777));
  }

  void reopens_after_rename() {
    TempDir dir;
    auto writer = must_open(dir / "log", quick());
    writer->append("old\n");
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(0, ::rename((dir / "log").c_str(), (dir / "log.1").c_str()));
    writer->append("still old\n");
    writer->flush();
    CPPUNIT_ASSERT(writer->reopen());
    writer->append("new\n");
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(std::string("old\nstill old\n"), slurp(dir / "log.1"));
    CPPUNIT_ASSERT_EQUAL(std::string("new\n"), slurp(dir / "log"));
  }

  void keeps_the_old_file_when_reopening_fails() {
    TempDir dir;
    std::filesystem::create_directory(dir / "logs");
    auto writer = must_open(dir / "logs/log", quick());
    writer->append("one\n");
    std::filesystem::rename(dir / "logs", dir / "moved");
    const auto reopened = writer->reopen();
    CPPUNIT_ASSERT(!reopened);
    CPPUNIT_ASSERT(reopened.error().message.find("logs/log") != std::string::npos);
    writer->append("two\n");
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(std::string("one\ntwo\n"), slurp(dir / "moved/log"));
  }

  void full_disk_is_bridged_by_reopening() {
    TempDir dir;
    std::filesystem::create_symlink("/dev/full", dir / "log");
    auto writer = must_open(dir / "log", quick());
    writer->append("one\n");
    writer->flush();  // tries, and fails
    writer->append("two\n");
    std::filesystem::remove(dir / "log");
    CPPUNIT_ASSERT(writer->reopen());
    writer->append("three\n");
    writer.reset();
    CPPUNIT_ASSERT_EQUAL(std::string("one\ntwo\nthree\n"), slurp(dir / "log"));
  }

  void flush_and_end_do_not_hang_on_a_full_disk() {
    auto options = quick();
    options.bound = 1000;
    auto writer = must_open("/dev/full", options);
    for (int i = 0; i < 100; ++i) writer->append(numbered(i));
    writer->flush();
    CPPUNIT_ASSERT(writer->dropped() > 0);
    CPPUNIT_ASSERT(writer->dropped() < 100);
  }

  void stuck_pipe_costs_no_caller_and_bounded_memory() {
    int ends[2];
    CPPUNIT_ASSERT_EQUAL(0, ::pipe2(ends, O_CLOEXEC));
    const UniqueFd reader(ends[0]);
    auto options = quick();
    options.bound = 20000;
    auto writer = LineWriter::over(UniqueFd(ends[1]), options);
    // Nobody reads: this returns all the same, and drops what is too much.
    uint64_t sent = 0;
    while (sent < 5000 || writer->dropped() == 0) {
      writer->append(numbered(0));
      ++sent;
    }
    // Each line comes, or is counted in a line that says so.
    uint64_t kept = 0;
    uint64_t lost = 0;
    std::string text;
    while (kept + lost < sent) {
      text += read_until(reader.get(), [](const std::string& so_far) { return !so_far.empty(); });
      const size_t whole = text.rfind('\n') + 1;
      for (const auto& line : lines_of(text.substr(0, whole))) {
        if (line.starts_with("lost ")) {
          lost += std::stoull(line.substr(5));
        } else {
          CPPUNIT_ASSERT_EQUAL(numbered(0), line + "\n");
          ++kept;
        }
      }
      text.erase(0, whole);
    }
    CPPUNIT_ASSERT_EQUAL(sent, kept + lost);
    CPPUNIT_ASSERT_EQUAL(writer->dropped(), lost);
    CPPUNIT_ASSERT(kept >= 20000 / numbered(0).size());
    // And it works again.
    writer->append("after\n");
    read_until(reader.get(), [](const std::string& so_far) { return so_far.ends_with("after\n"); });
  }

  void torn_line_begins_anew_in_the_next_file() {
    TempDir dir;
    CPPUNIT_ASSERT_EQUAL(0, ::mkfifo((dir / "log").c_str(), 0600));
    const UniqueFd reader(::open((dir / "log").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    auto writer = must_open(dir / "log", quick());
    const int count = 3000;  // more than a pipe holds
    std::string all;
    for (int i = 0; i < count; ++i) {
      writer->append(numbered(i));
      all += numbered(i);
    }
    writer->flush();  // until stuck
    CPPUNIT_ASSERT_EQUAL(0, ::rename((dir / "log").c_str(), (dir / "fifo").c_str()));
    CPPUNIT_ASSERT(writer->reopen());
    writer->flush();
    writer.reset();
    std::string in_pipe = read_until(reader.get(), [](const std::string&) { return false; });
    CPPUNIT_ASSERT(!in_pipe.empty());
    in_pipe.resize(in_pipe.rfind('\n') + 1);
    CPPUNIT_ASSERT(all == in_pipe + slurp(dir / "log"));
  }

  void many_threads_whole_lines() {
    TempDir dir;
    const int threads = 4;
    const int each = 3000;
    {
      auto writer = must_open(dir / "log", quick());
      std::vector<std::thread> pool;
      for (int t = 0; t < threads; ++t) {
        pool.emplace_back([&, t] {
          for (int i = 0; i < each; ++i) {
            writer->append(fmt::format("{} {}\n", t, i), i % 97 == 0);
            if (i % 1000 == 0) writer->flush();
          }
        });
      }
      for (auto& thread : pool) thread.join();
    }
    std::map<int, int> next;
    for (const auto& line : lines_of(slurp(dir / "log"))) {
      const size_t space = line.find(' ');
      CPPUNIT_ASSERT(space != std::string::npos);
      // Each thread's lines are there once, in its order.
      CPPUNIT_ASSERT_EQUAL(next[std::stoi(line.substr(0, space))]++, std::stoi(line.substr(space + 1)));
    }
    CPPUNIT_ASSERT_EQUAL(size_t{threads}, next.size());
    for (const auto& [thread, count] : next) CPPUNIT_ASSERT_EQUAL(each, count);
  }

  void reopening_under_load_loses_nothing() {
    TempDir dir;
    const int count = 6000;
    int files = 0;
    {
      auto writer = must_open(dir / "log", quick());
      std::atomic<int> sent{0};
      std::thread sender([&] {
        for (int i = 0; i < count; ++i) {
          writer->append(numbered(i));
          sent.store(i + 1);
        }
      });
      while (sent.load() < count) {
        CPPUNIT_ASSERT_EQUAL(0, ::rename((dir / "log").c_str(), (dir / fmt::format("log.{}", files)).c_str()));
        ++files;
        CPPUNIT_ASSERT(writer->reopen());
        writer->flush();
      }
      sender.join();
    }
    std::string all;
    for (int i = 0; i < files; ++i) all += slurp(dir / fmt::format("log.{}", i));
    all += slurp(dir / "log");
    const auto lines = lines_of(all);
    CPPUNIT_ASSERT_EQUAL(static_cast<size_t>(count), lines.size());
    for (int i = 0; i < count; ++i) CPPUNIT_ASSERT_EQUAL(numbered(i), lines[static_cast<size_t>(i)] + "\n");
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(LineWriterTest);
