// What becomes of rotated files: compressed, kept, removed; and of what a crash left.
#include "telemetry/log_keeper.h"

#include "temp_dir.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>

using namespace impulse;
using telemetry::LogKeeper;
using telemetry::Rotation;

namespace {

void write_file(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

std::string gunzip(const std::string& path) {
  std::string text;
  gzFile file = ::gzopen(path.c_str(), "rb");
  CPPUNIT_ASSERT(file != nullptr);
  std::array<char, 65536> block;
  int count = 0;
  while ((count = ::gzread(file, block.data(), block.size())) > 0)
    text.append(block.data(), static_cast<size_t>(count));
  CPPUNIT_ASSERT_EQUAL(0, count);
  ::gzclose(file);
  return text;
}

std::vector<std::string> names(const TempDir& dir) {
  std::vector<std::string> found;
  for (const auto& each : std::filesystem::directory_iterator(dir / "")) found.push_back(each.path().filename());
  std::ranges::sort(found);
  return found;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += word + " ";
  return text;
}

std::string stamp(int day) { return fmt::format("200301{:02}T000000.000Z", day); }

}  // namespace

class LogKeeperTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LogKeeperTest);
  CPPUNIT_TEST(compresses);
  CPPUNIT_TEST(keeps_the_newest);
  CPPUNIT_TEST(removes_what_is_old);
  CPPUNIT_TEST(what_a_crash_left);
  CPPUNIT_TEST(what_cannot_be_compressed_stays);
  CPPUNIT_TEST(looks_again_by_itself);
  CPPUNIT_TEST_SUITE_END();

  static void tidy(const std::string& path, const Rotation& rotation, std::vector<std::string>* said = nullptr) {
    LogKeeper keeper([said](std::string_view id, const std::string& text) {
      if (said != nullptr) said->push_back(fmt::format("{}: {}", id, text));
    });
    keeper.look_after(path, rotation);
    keeper.wait();
  }

  void compresses() {
    TempDir dir;
    std::string text;
    for (int i = 0; i < 50000; ++i) text += fmt::format("line {}\n", i);
    write_file(dir / ("log." + stamp(1)), text);
    CPPUNIT_ASSERT_EQUAL(0, ::chmod((dir / ("log." + stamp(1))).c_str(), 0640));
    write_file(dir / "log", "now\n");
    tidy(dir / "log", {.compress = true});
    CPPUNIT_ASSERT_EQUAL("log log." + stamp(1) + ".gz ", joined(names(dir)));
    CPPUNIT_ASSERT_EQUAL(text, gunzip(dir / ("log." + stamp(1) + ".gz")));
    struct stat status{};
    CPPUNIT_ASSERT_EQUAL(0, ::stat((dir / ("log." + stamp(1) + ".gz")).c_str(), &status));
    CPPUNIT_ASSERT_EQUAL(0640U, status.st_mode & 0777U);
  }

  // Files of another log, or that somebody else has made, are nobody's business.
  void keeps_the_newest() {
    TempDir dir;
    for (int day = 1; day <= 5; ++day) write_file(dir / ("log." + stamp(day) + (day % 2 != 0 ? ".gz" : "")), "x");
    for (const char* other : {"log", "log.1", "log.1.gz", "log2.20030101T000000.000Z", "log.20030101",
                              "log.20030101T000000.000Z.bz2", "20030101T000000.000Z"})
      write_file(dir / other, "x");
    const auto all = names(dir);
    tidy(dir / "log", {.keep = 0});
    CPPUNIT_ASSERT_EQUAL(joined(all), joined(names(dir)));
    tidy(dir / "log", {.keep = 2});
    const auto left = names(dir);
    CPPUNIT_ASSERT_EQUAL(all.size() - 3, left.size());
    for (int day = 1; day <= 3; ++day)
      CPPUNIT_ASSERT(!std::filesystem::exists(dir / ("log." + stamp(day) + (day % 2 != 0 ? ".gz" : ""))));
  }

  void removes_what_is_old() {
    TempDir dir;
    write_file(dir / ("log." + stamp(1)), "x");
    const std::string young = "log." + telemetry::rotation_stamp(wall_now() - std::chrono::hours(1));
    write_file(dir / young, "x");
    tidy(dir / "log", {.keep_time = std::chrono::hours(24)});
    CPPUNIT_ASSERT_EQUAL(young + " ", joined(names(dir)));
  }

  void what_a_crash_left() {
    TempDir dir;
    write_file(dir / ("log." + stamp(1)), "one\n");
    write_file(dir / ("log." + stamp(1) + ".gz.tmp"), "half of");
    write_file(dir / ("log." + stamp(2)), "two\n");
    write_file(dir / ("log." + stamp(2) + ".gz"), "is whole");
    tidy(dir / "log", {.compress = true});
    CPPUNIT_ASSERT_EQUAL("log." + stamp(1) + ".gz log." + stamp(2) + ".gz ", joined(names(dir)));
    CPPUNIT_ASSERT_EQUAL(std::string("one\n"), gunzip(dir / ("log." + stamp(1) + ".gz")));
    CPPUNIT_ASSERT_EQUAL(std::string("is whole"), slurp(dir / ("log." + stamp(2) + ".gz")));
  }

  void what_cannot_be_compressed_stays() {
    TempDir dir;
    write_file(dir / ("log." + stamp(1)), "one\n");
    std::filesystem::create_directory(dir / ("log." + stamp(1) + ".gz.tmp"));
    write_file(dir / ("log." + stamp(1) + ".gz.tmp/in the way"), "");
    std::vector<std::string> said;
    tidy(dir / "log", {.compress = true}, &said);
    CPPUNIT_ASSERT_EQUAL(std::string("one\n"), slurp(dir / ("log." + stamp(1))));
    CPPUNIT_ASSERT(!said.empty());
    CPPUNIT_ASSERT(said.back().starts_with("log-keep-failed: cannot compress "));
  }

  void looks_again_by_itself() {
    TempDir dir;
    LogKeeper keeper([](std::string_view, const std::string&) {}, std::chrono::milliseconds(1));
    keeper.look_after(dir / "log", {.keep_time = std::chrono::hours(24)});
    keeper.wait();
    write_file(dir / ("log." + stamp(1)), "x");
    while (std::filesystem::exists(dir / ("log." + stamp(1)))) std::this_thread::yield();
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(LogKeeperTest);
