// The diagnostic log: the line's form, levels by area, escaping, urgency.
#include "telemetry/log.h"

#include "temp_dir.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <regex>
#include <thread>

using namespace impulse;
using namespace impulse::telemetry;

class LogTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LogTest);
  CPPUNIT_TEST(line_form);
  CPPUNIT_TEST(names);
  CPPUNIT_TEST(levels_by_area);
  CPPUNIT_TEST(text_is_one_line);
  CPPUNIT_TEST(errors_do_not_wait);
  CPPUNIT_TEST(rotation);
  CPPUNIT_TEST(opening_fails_with_reason);
  CPPUNIT_TEST(standard_error);
  CPPUNIT_TEST(remembers_the_last_of_each_level);
  CPPUNIT_TEST(remembers_no_more_than_it_may);
  CPPUNIT_TEST(many_threads);
  CPPUNIT_TEST_SUITE_END();

  static std::unique_ptr<Log> must_open(const std::string& path) {
    auto log = Log::open(path);
    CPPUNIT_ASSERT_MESSAGE(log ? "" : log.error().message, log.has_value());
    return std::move(*log);
  }

  void line_form() {
    TempDir dir;
    auto log = must_open(dir / "log");
    log->write(Level::notice, Area::net, "listener-bound", "127.0.0.1:25 is served, {} % stay");
    log->flush();
    const std::string text = slurp(dir / "log");
    CPPUNIT_ASSERT_MESSAGE(
        text, std::regex_match(text, std::regex("20\\d\\d-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z notice net "
                                                "listener-bound: 127\\.0\\.0\\.1:25 is served, \\{\\} % stay\n")));
  }

  void names() {
    for (int level = 0; level <= static_cast<int>(Level::debug); ++level) {
      CPPUNIT_ASSERT(!to_string(static_cast<Level>(level)).empty());
    }
    for (size_t area = 0; area < static_cast<size_t>(Area::count_); ++area) {
      CPPUNIT_ASSERT(!to_string(static_cast<Area>(area)).empty());
    }
    CPPUNIT_ASSERT(to_string(Level::critical) == "critical");
    CPPUNIT_ASSERT(to_string(Level::debug) == "debug");
    CPPUNIT_ASSERT(to_string(Area::server) == "server");
    CPPUNIT_ASSERT(to_string(Area::control) == "control");
  }

  void levels_by_area() {
    TempDir dir;
    auto log = must_open(dir / "log");
    log->write(Level::info, Area::smtp, "a", "not at the default level");
    log->set_level(Area::smtp, Level::debug);
    log->set_level(Area::spool, Level::critical);
    log->write(Level::debug, Area::smtp, "b", "");
    log->write(Level::debug, Area::net, "c", "other areas stay as they were");
    log->write(Level::error, Area::spool, "d", "");
    log->write(Level::critical, Area::spool, "e", "");
    CPPUNIT_ASSERT(log->wants(Level::debug, Area::smtp));
    CPPUNIT_ASSERT(!log->wants(Level::error, Area::spool));
    log->flush();
    const auto lines = lines_of(slurp(dir / "log"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, lines.size());
    CPPUNIT_ASSERT(lines[0].ends_with(" debug smtp b: "));
    CPPUNIT_ASSERT(lines[1].ends_with(" critical spool e: "));
  }

  void text_is_one_line() {
    TempDir dir;
    auto log = must_open(dir / "log");
    log->write(Level::error, Area::smtp, "hostile", std::string("a\r\nb\0c\x1b[31m\xff\\\t", 13));
    log->write(Level::error, Area::smtp, "long", std::string(100000, 'x'));
    log->flush();
    const auto lines = lines_of(slurp(dir / "log"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, lines.size());
    CPPUNIT_ASSERT(lines[0].find("hostile: a\\r\\nb\\x00c\\x1") != std::string::npos);
    CPPUNIT_ASSERT(lines[1].size() < 10000);
    for (const char c : lines[0]) CPPUNIT_ASSERT(static_cast<unsigned char>(c) >= 0x20);
  }

  // Without flush(): an error is in the file without anything else happening.
  void errors_do_not_wait() {
    TempDir dir;
    CPPUNIT_ASSERT_EQUAL(0, ::mkfifo((dir / "log").c_str(), 0600));
    const int reader = ::open((dir / "log").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    auto log = must_open(dir / "log");
    CPPUNIT_ASSERT_EQUAL(0, ::fcntl(reader, F_SETFL, 0));
    log->write(Level::error, Area::server, "trouble", "now");
    std::array<char, 256> block;
    const ssize_t count = ::read(reader, block.data(), block.size());
    ::close(reader);
    CPPUNIT_ASSERT(count > 0);
    CPPUNIT_ASSERT(std::string(block.data(), static_cast<size_t>(count)).ends_with(" error server trouble: now\n"));
  }

  void rotation() {
    TempDir dir;
    auto log = must_open(dir / "log");
    log->write(Level::notice, Area::server, "one", "");
    log->flush();
    std::filesystem::rename(dir / "log", dir / "log.1");
    CPPUNIT_ASSERT(log->reopen().has_value());
    log->write(Level::notice, Area::server, "two", "");
    log->flush();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, lines_of(slurp(dir / "log.1")).size());
    CPPUNIT_ASSERT(slurp(dir / "log").find("two: ") != std::string::npos);
  }

  void opening_fails_with_reason() {
    TempDir dir;
    const auto log = Log::open(dir / "missing/log");
    CPPUNIT_ASSERT(!log);
    CPPUNIT_ASSERT(log.error().message.find("missing/log") != std::string::npos);
  }

  void standard_error() {
    TempDir dir;
    const int saved = ::dup(STDERR_FILENO);
    const int file = ::open((dir / "stderr").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(file, STDERR_FILENO);
    {
      auto log = must_open("");
      log->write(Level::notice, Area::server, "hello", "on standard error");
      CPPUNIT_ASSERT(log->reopen().has_value());
      log->write(Level::notice, Area::server, "hello", "again");
    }
    ::dup2(saved, STDERR_FILENO);
    ::close(saved);
    ::close(file);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, lines_of(slurp(dir / "stderr")).size());
  }

  void remembers_the_last_of_each_level() {
    TempDir dir;
    auto log = must_open(dir / "log");
    log->write(Level::error, Area::spool, "spool", "the disk is sick");
    for (int i = 0; i < 5; ++i) log->write(Level::notice, Area::net, "listener-bound", std::to_string(i));
    log->write(Level::info, Area::net, "unheard", "not wanted at this level");
    const auto lines = log->recent(2);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, lines.size());
    CPPUNIT_ASSERT(lines[0].level == Level::error);
    CPPUNIT_ASSERT(lines[0].text.ends_with("Z error spool spool: the disk is sick"));
    CPPUNIT_ASSERT(lines[1].text.ends_with("Z notice net listener-bound: 3"));
    CPPUNIT_ASSERT(lines[2].text.ends_with("Z notice net listener-bound: 4"));
    CPPUNIT_ASSERT(lines[0].number < lines[1].number && lines[1].number < lines[2].number);
  }

  void remembers_no_more_than_it_may() {
    TempDir dir;
    auto log = must_open(dir / "log");
    log->write(Level::error, Area::spool, "spool", std::string(5000, 'x'));
    for (int i = 0; i < 300; ++i) log->write(Level::notice, Area::net, "n", std::to_string(i));
    const auto lines = log->recent(100000);
    CPPUNIT_ASSERT_EQUAL(size_t{101}, lines.size());
    CPPUNIT_ASSERT_EQUAL(size_t{1024}, lines[0].text.size());
    CPPUNIT_ASSERT(lines[1].text.ends_with(": 200"));
  }

  void many_threads() {
    TempDir dir;
    {
      auto log = must_open(dir / "log");
      std::vector<std::thread> threads;
      for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
          for (int i = 0; i < 500; ++i) {
            log->set_level(Area::queue, i % 2 == 0 ? Level::debug : Level::notice);
            log->write(Level::notice, Area::queue, "x", "text");
            if (t == 0 && i % 100 == 0) log->flush();
          }
        });
      }
      for (auto& thread : threads) thread.join();
    }
    const auto lines = lines_of(slurp(dir / "log"));
    CPPUNIT_ASSERT_EQUAL(size_t{2000}, lines.size());
    for (const auto& line : lines) CPPUNIT_ASSERT(line.ends_with(" notice queue x: text"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(LogTest);
