// Rotation by a LineWriter: by size, by time, by order; no line is lost, doubled
// or cut in two.
#include "telemetry/line_writer.h"
#include "telemetry/log_file.h"

#include "temp_dir.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

using namespace impulse;
using telemetry::is_rotation_stamp;
using telemetry::LineWriter;
using telemetry::rotation_stamp;

namespace {

LineWriter::Options quick() {
  LineWriter::Options options;
  options.delay = std::chrono::milliseconds(1);
  options.retry = std::chrono::milliseconds(5);
  options.loss = [](uint64_t lines) { return fmt::format("lost {}\n", lines); };
  return options;
}

// The log's rotated files, oldest first, and then the log itself.
std::vector<std::string> files_of(const TempDir& dir) {
  std::vector<std::string> found;
  for (const auto& each : std::filesystem::directory_iterator(dir / "")) {
    const std::string name = each.path().filename();
    if (name.starts_with("log.")) found.push_back(each.path());
  }
  std::ranges::sort(found);
  if (std::filesystem::exists(dir / "log")) found.push_back(dir / "log");
  return found;
}

std::string all_text(const TempDir& dir) {
  std::string text;
  for (const auto& file : files_of(dir)) text += slurp(file);
  return text;
}

std::string numbered(int number) { return fmt::format("line {:06} {:->60}\n", number, ""); }

class Clock {
 public:
  WallTime now() const { return WallTime(Duration(time_.load())); }
  void set(WallTime time) { time_ = time.time_since_epoch().count(); }

 private:
  std::atomic<int64_t> time_{0};
};

}  // namespace

class RotationTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RotationTest);
  CPPUNIT_TEST(stamps);
  CPPUNIT_TEST(by_size_between_two_lines);
  CPPUNIT_TEST(by_time);
  CPPUNIT_TEST(what_is_of_yesterday_goes_at_once);
  CPPUNIT_TEST(by_order);
  CPPUNIT_TEST(mode_is_kept);
  CPPUNIT_TEST(a_link_is_followed);
  CPPUNIT_TEST(others_may_rotate_too);
  CPPUNIT_TEST(where_it_cannot_be_the_file_grows);
  CPPUNIT_TEST(terms_change_while_it_runs);
  CPPUNIT_TEST(reopened_in_the_midst_of_it);
  CPPUNIT_TEST(a_torn_line_gets_an_end);
  CPPUNIT_TEST(one_that_is_torn_meanwhile_is_seen);
  CPPUNIT_TEST(no_file_is_not_rotated);
  CPPUNIT_TEST_SUITE_END();

  void stamps() {
    CPPUNIT_ASSERT_EQUAL(std::string("20030929T205056.999Z"),
                         rotation_stamp(WallTime(std::chrono::seconds(1064868656) + std::chrono::milliseconds(999))));
    CPPUNIT_ASSERT(is_rotation_stamp("20030929T205056.999Z"));
    for (const char* bad : {"", "1", "20030929T205056.999", "20030929T205056.999Z.gz", "20030929 205056.999Z",
                            "2003092xT205056.999Z", "20030929T205056,999Z", "20030929T205056.999z"})
      CPPUNIT_ASSERT_MESSAGE(bad, !is_rotation_stamp(bad));
  }

  void by_size_between_two_lines() {
    TempDir dir;
    auto options = quick();
    options.context.terms.rotation.size = 1000;
    std::string expected;
    {
      auto writer = LineWriter::open(dir / "log", options).value();
      std::string block;
      for (int i = 0; i < 500; ++i) {
        expected += numbered(i);
        block += numbered(i);
        if (i % 7 != 0) continue;
        writer->append(block);
        block.clear();
      }
      writer->append(block);
      writer->flush();
      CPPUNIT_ASSERT(writer->status().rotations >= 30);
    }
    CPPUNIT_ASSERT_EQUAL(expected, all_text(dir));
    const auto files = files_of(dir);
    CPPUNIT_ASSERT(files.size() > 30);
    for (size_t i = 0; i + 1 < files.size(); ++i) {
      const std::string text = slurp(files[i]);
      CPPUNIT_ASSERT(text.ends_with('\n'));
      CPPUNIT_ASSERT(text.size() >= 1000 && text.size() < 1000 + numbered(0).size());
      CPPUNIT_ASSERT(is_rotation_stamp(std::filesystem::path(files[i]).filename().string().substr(4)));
    }
  }

  void by_time() {
    TempDir dir;
    Clock clock;
    const WallTime noon(std::chrono::hours(24 * 10000 + 12));
    clock.set(noon);
    auto options = quick();
    options.clock = [&] { return clock.now(); };
    options.context.terms.rotation.interval = std::chrono::hours(24);
    auto writer = LineWriter::open(dir / "log", options).value();
    writer->append("today\n");
    writer->flush();
    clock.set(noon + std::chrono::hours(11));
    writer->append("late\n");
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, files_of(dir).size());
    clock.set(noon - std::chrono::hours(48));  // a clock that is set back rotates nothing
    writer->append("earlier\n");
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, files_of(dir).size());
    clock.set(noon + std::chrono::hours(13));
    writer->append("tomorrow\n");
    writer->flush();
    const auto files = files_of(dir);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, files.size());
    CPPUNIT_ASSERT_EQUAL(std::string("today\nlate\nearlier\n"), slurp(files[0]));
    CPPUNIT_ASSERT_EQUAL(std::string("tomorrow\n"), slurp(files[1]));
    CPPUNIT_ASSERT_EQUAL("log." + rotation_stamp(noon + std::chrono::hours(13)),
                         std::filesystem::path(files[0]).filename().string());
  }

  void what_is_of_yesterday_goes_at_once() {
    TempDir dir;
    std::ofstream(dir / "log") << "old\nhal";
    std::filesystem::last_write_time(dir / "log",
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(50));
    auto options = quick();
    options.context.terms.rotation.interval = std::chrono::hours(24);
    auto writer = LineWriter::open(dir / "log", options).value();
    // Without a line: nobody need log for it.
    while (writer->status().rotations == 0) std::this_thread::yield();
    CPPUNIT_ASSERT_EQUAL(std::string("old\nhal\n"), slurp(files_of(dir).at(0)));
    CPPUNIT_ASSERT_EQUAL(std::string(), slurp(dir / "log"));
  }

  void by_order() {
    TempDir dir;
    auto writer = LineWriter::open(dir / "log", quick()).value();
    writer->append("one\n");
    writer->flush();
    writer->rotate();
    while (writer->status().rotations == 0) std::this_thread::yield();
    writer->append("two\n");
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(size_t{2}, files_of(dir).size());
    CPPUNIT_ASSERT_EQUAL(std::string("one\ntwo\n"), all_text(dir));
  }

  void mode_is_kept() {
    TempDir dir;
    std::ofstream(dir / "log") << "old\n";
    CPPUNIT_ASSERT_EQUAL(0, ::chmod((dir / "log").c_str(), 0604));
    auto options = quick();
    options.context.terms.rotation.size = 1;
    auto writer = LineWriter::open(dir / "log", options).value();
    writer->append("one\n");
    writer->flush();
    struct stat status{};
    CPPUNIT_ASSERT_EQUAL(0, ::stat((dir / "log").c_str(), &status));
    CPPUNIT_ASSERT_EQUAL(0604U, status.st_mode & 0777U);
  }

  void a_link_is_followed() {
    TempDir dir;
    std::filesystem::create_directory(dir / "there");
    std::filesystem::create_symlink(dir / "there/real", dir / "log");
    auto options = quick();
    options.context.terms.rotation.size = 4;
    {
      auto writer = LineWriter::open(dir / "log", options).value();
      writer->append("one\ntwo\n");
      writer->flush();
    }
    CPPUNIT_ASSERT(std::filesystem::is_symlink(dir / "log"));
    CPPUNIT_ASSERT(slurp(dir / "log").size() <= 4);
    size_t count = 0;
    for (const auto& each : std::filesystem::directory_iterator(dir / "there")) {
      ++count;
      CPPUNIT_ASSERT(each.path().filename().string().starts_with("real"));
    }
    CPPUNIT_ASSERT(count >= 2);
  }

  // Moved away by somebody else, who sends no signal: the next rotation is only a new file.
  void others_may_rotate_too() {
    TempDir dir;
    auto options = quick();
    options.context.terms.rotation.size = 8;
    auto writer = LineWriter::open(dir / "log", options).value();
    writer->append("one\n");
    writer->flush();
    std::filesystem::rename(dir / "log", dir / "log.1");
    writer->append("two\nthree\n");
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(std::string("one\ntwo\n"), slurp(dir / "log.1"));
    CPPUNIT_ASSERT_EQUAL(std::string("three\n"), slurp(dir / "log"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, files_of(dir).size());
  }

  void where_it_cannot_be_the_file_grows() {
    TempDir dir;
    std::filesystem::create_directory(dir / "folder");
    const std::string path = dir / "folder/log";
    std::mutex mutex;
    std::vector<std::string> said;
    auto options = quick();
    options.context.terms.rotation.size = 10;
    options.context.trouble = [&](std::string_view id, const std::string& text) {
      const std::lock_guard lock(mutex);
      said.push_back(fmt::format("{}: {}", id, text));
    };
    auto writer = LineWriter::open(path, options).value();
    writer->append("one\n");
    writer->flush();
    // Whoever runs the tests: a folder that is gone takes no names.
    std::filesystem::rename(path, dir / "elsewhere");
    std::filesystem::remove(dir / "folder");
    std::string expected = "one\n";
    for (int i = 0; i < 100; ++i) {
      writer->append(numbered(i));
      expected += numbered(i);
    }
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(expected, slurp(dir / "elsewhere"));
    const std::lock_guard lock(mutex);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, said.size());
    CPPUNIT_ASSERT(said[0].starts_with("log-rotation-failed: "));
  }

  void terms_change_while_it_runs() {
    TempDir dir;
    auto writer = LineWriter::open(dir / "log", quick()).value();
    writer->append("one\ntwo\n");
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, files_of(dir).size());
    telemetry::LogTerms terms;
    terms.rotation.size = 4;
    writer->set_terms(terms);
    while (writer->status().rotations == 0) std::this_thread::yield();
    writer->set_terms({});
    writer->append("three\nfour\nfive\n");
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(size_t{2}, files_of(dir).size());
    CPPUNIT_ASSERT_EQUAL(std::string("one\ntwo\nthree\nfour\nfive\n"), all_text(dir));
  }

  // SIGHUP may come between any two steps of a rotation.
  void reopened_in_the_midst_of_it() {
    TempDir dir;
    auto options = quick();
    options.context.terms.rotation.size = 500;
    std::string expected;
    {
      auto writer = LineWriter::open(dir / "log", options).value();
      std::atomic<bool> done{false};
      std::thread other([&] {
        while (!done) CPPUNIT_ASSERT(writer->reopen().has_value());
      });
      for (int i = 0; i < 3000; ++i) {
        writer->append(numbered(i));
        expected += numbered(i);
      }
      writer->flush();
      done = true;
      other.join();
    }
    CPPUNIT_ASSERT_EQUAL(expected, all_text(dir));
  }

  void a_torn_line_gets_an_end() {
    TempDir dir;
    std::ofstream(dir / "log") << "whole\nhal";
    auto writer = LineWriter::open(dir / "log", quick()).value();
    writer->append("next\n");
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(std::string("whole\nhal\nnext\n"), slurp(dir / "log"));
  }

  // A file that reopen() has opened may be the one that is still being written.
  void one_that_is_torn_meanwhile_is_seen() {
    TempDir dir;
    std::ofstream(dir / "log") << "whole\n";
    auto file = telemetry::LogFile::open(dir / "log").value();
    CPPUNIT_ASSERT(!file.torn());
    std::ofstream(dir / "log", std::ios::app) << "hal";
    file.look_again();
    CPPUNIT_ASSERT(file.torn());
    CPPUNIT_ASSERT_EQUAL(uint64_t{9}, file.size());
    std::ofstream(dir / "log", std::ios::app) << "f\n";
    file.look_again();
    CPPUNIT_ASSERT(!file.torn());
  }

  void no_file_is_not_rotated() {
    int ends[2];
    CPPUNIT_ASSERT_EQUAL(0, ::pipe2(ends, O_CLOEXEC));
    const UniqueFd reader(ends[0]);
    auto options = quick();
    options.context.terms.rotation.size = 1;
    auto writer = LineWriter::over(UniqueFd(ends[1]), options);
    writer->append("one\ntwo\n");
    writer->rotate();
    writer->flush();
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, writer->status().rotations);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(RotationTest);
