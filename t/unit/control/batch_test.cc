// Scripts and single commands of the console against a real session of the
// daemon: what is printed, and the exit status.
#include "console/batch.h"
#include "console/ectl_client.h"
#include "console/printer.h"
#include "fake_system.h"
#include "far_end.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <thread>

using namespace impulse;
using namespace impulse::console;
using namespace impulse::console::test;
using namespace std::string_literals;

namespace {

// A daemon in a thread: a real control::Session behind a socket pair.
class Daemon {
 public:
  Daemon() {
    auto [ours, theirs] = a_pair();
    client_end = std::move(theirs);
    thread_ = std::thread([this, fd = std::move(ours)] { serve(fd.get()); });
  }
  ~Daemon() {
    client_end.reset();
    thread_.join();
  }
  control::test::FakeSystem system;
  UniqueFd client_end;

 private:
  void serve(int fd) {
    control::CommandTable table(control::all_commands());
    control::Session session(system, table, {}, control::About{"1.2.3", control::test::test_now});
    char block[1000];
    for (;;) {
      std::string out;
      while (session.produce(out, 4096)) continue;
      say(fd, out);
      if (session.finished()) return;
      const ssize_t got = ::read(fd, block, sizeof block);
      if (got <= 0) return;
      std::string_view bytes(block, static_cast<size_t>(got));
      while (!bytes.empty()) {
        bytes.remove_prefix(session.feed(bytes));
        out.clear();
        while (session.produce(out, 4096)) continue;
        say(fd, out);
      }
    }
  }
  std::thread thread_;
};

// What a script prints, and its exit status.
struct Run {
  int status = 0;
  std::string out;
  std::string err;
};

Run run(const std::function<int(Printer&)>& work) {
  std::FILE* out = std::tmpfile();
  std::FILE* err = std::tmpfile();
  Printer printer(out, err, false, false);
  Run result;
  result.status = work(printer);
  for (auto [file, text] : {std::pair{out, &result.out}, std::pair{err, &result.err}}) {
    std::rewind(file);
    char block[4096];
    for (size_t got = 0; (got = std::fread(block, 1, sizeof block, file)) > 0;) text->append(block, got);
    std::fclose(file);
  }
  return result;
}

LineSource lines(std::vector<std::string> all) {
  return [all = std::move(all), next = size_t{0}]() mutable -> std::optional<std::string> {
    if (next == all.size()) return std::nullopt;
    return all[next++];
  };
}

Run script(std::vector<std::string> all, bool keep_going = false) {
  Daemon daemon;
  return run([&](Printer& printer) {
    auto client = console::Client::over(std::move(daemon.client_end), {});
    CPPUNIT_ASSERT(client);
    return run_script(*client, printer, lines(std::move(all)), keep_going);
  });
}

class BatchTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BatchTest);
  CPPUNIT_TEST(all_is_well);
  CPPUNIT_TEST(stops_at_the_first_failure);
  CPPUNIT_TEST(keeps_going);
  CPPUNIT_TEST(payloads);
  CPPUNIT_TEST(payload_that_never_ends);
  CPPUNIT_TEST(quit_stops_a_script);
  CPPUNIT_TEST(one_command);
  CPPUNIT_TEST(long_answers);
  CPPUNIT_TEST(daemon_dies);
  CPPUNIT_TEST(challenge);
  CPPUNIT_TEST(output_cannot_be_written);
  CPPUNIT_TEST(terminals_are_protected);
  CPPUNIT_TEST(reads_files);
  CPPUNIT_TEST_SUITE_END();

  void all_is_well() {
    const Run done = script({"", "# comment", "version", "config get hostname", "  config set hostname a.example"});
    CPPUNIT_ASSERT_EQUAL(
        "impulse 1.2.3\nHostname = mx.example.com\nglobal: Hostname mx.example.com -> a.example (next-session)\n"s,
        done.out);
    CPPUNIT_ASSERT_EQUAL(""s, done.err);
    CPPUNIT_ASSERT_EQUAL(0, done.status);
  }
  void stops_at_the_first_failure() {
    const Run done = script({"config get nodename", "version"});
    CPPUNIT_ASSERT_EQUAL(3, done.status);
    CPPUNIT_ASSERT_EQUAL(""s, done.out);
    CPPUNIT_ASSERT_EQUAL("error: Nodename is not set in global [config-not-set]\n"s, done.err);
  }
  void keeps_going() {
    const Run done = script({"config get nodename", "verson", "version"}, true);
    CPPUNIT_ASSERT_EQUAL(2, done.status);
    CPPUNIT_ASSERT_EQUAL("impulse 1.2.3\n"s, done.out);
  }
  void payloads() {
    const Run done =
        script({"config set relay_hosts <<END", "( 10.0.0.0/8", "192.0.2.1 )", "END", "config get relay_hosts"});
    CPPUNIT_ASSERT_EQUAL(0, done.status);
    CPPUNIT_ASSERT(done.out.ends_with("Relay_Hosts = ( 10.0.0.0/8 192.0.2.1 )\n"));
  }
  void payload_that_never_ends() {
    const Run done = script({"config set relay_hosts <<END", "( 10.0.0.0/8 )"}, true);
    CPPUNIT_ASSERT_EQUAL(2, done.status);
    CPPUNIT_ASSERT_EQUAL("ec_console: the input ends before the line END that ends the payload\n"s, done.err);
  }
  void quit_stops_a_script() {
    const Run done = script({"version", "quit", "version"});
    CPPUNIT_ASSERT_EQUAL(0, done.status);
    CPPUNIT_ASSERT_EQUAL("impulse 1.2.3\n"s, done.out);
  }
  void one_command() {
    Daemon daemon;
    const Run done = run([&](Printer& printer) {
      auto client = console::Client::over(std::move(daemon.client_end), {});
      return run_command(*client, printer, "nonsense", lines({}));
    });
    CPPUNIT_ASSERT_EQUAL(2, done.status);
    CPPUNIT_ASSERT_EQUAL("error: console:1:1: unknown command 'nonsense'; try 'help' [control-unknown-command]\n"s,
                         done.err);
  }
  void long_answers() {
    Daemon daemon;
    for (int i = 0; i < 5000; ++i) daemon.system.domains.push_back({fmt::format("d{:04}.example", i), 1, 0, 0});
    const Run done = run([&](Printer& printer) {
      auto client = console::Client::over(std::move(daemon.client_end), {});
      return run_script(*client, printer, lines({"mailq", "version"}), false);
    });
    CPPUNIT_ASSERT_EQUAL(0, done.status);
    CPPUNIT_ASSERT_EQUAL(5002L, static_cast<long>(std::count(done.out.begin(), done.out.end(), '\n')));
    CPPUNIT_ASSERT(done.out.ends_with("impulse 1.2.3\n"));
  }
  // A scripted daemon's answer to the first request, as a script's run.
  static Run answered(std::string answer, std::vector<std::string> requests, bool keep_going) {
    auto [ours, theirs] = a_pair();
    std::thread server([fd = std::move(ours), answer = std::move(answer)] {
      say(fd.get(), greeting);
      char byte = 0;
      while (::read(fd.get(), &byte, 1) == 1 && byte != '\n') continue;
      say(fd.get(), answer);
    });
    const Run done = run([&, fd = &theirs](Printer& printer) {
      auto client = console::Client::over(std::move(*fd), {});
      return run_script(*client, printer, lines(std::move(requests)), keep_going);
    });
    server.join();
    return done;
  }
  void daemon_dies() {
    const Run done = answered(" half of", {"summary", "version"}, true);
    CPPUNIT_ASSERT_EQUAL(69, done.status);
    CPPUNIT_ASSERT_EQUAL(""s, done.out);
    CPPUNIT_ASSERT_EQUAL("ec_console: the connection was closed by the daemon\n"s, done.err);
  }
  void challenge() {
    CPPUNIT_ASSERT_EQUAL(6, answered("?scram\n", {"summary"}, false).status);
    CPPUNIT_ASSERT_EQUAL(5, answered("!warning some-id half done\n=5 degraded\n", {"summary"}, false).status);
  }
  void output_cannot_be_written() {
    Daemon daemon;
    std::FILE* full = std::fopen("/dev/full", "w");
    CPPUNIT_ASSERT(full != nullptr);
    std::FILE* err = std::tmpfile();
    Printer printer(full, err, false, false);
    auto client = console::Client::over(std::move(daemon.client_end), {});
    CPPUNIT_ASSERT_EQUAL(1, run_command(*client, printer, "version", lines({})));
    std::fclose(full);
    std::fclose(err);
  }
  void terminals_are_protected() {
    std::FILE* out = std::tmpfile();
    Printer safe(out, out, true, true);
    safe.payload("\x1b]0;title\x07");
    Printer plain(out, out, false, false);
    plain.payload("\x1b[m");
    std::rewind(out);
    char block[200];
    const size_t got = std::fread(block, 1, sizeof block, out);
    std::fclose(out);
    CPPUNIT_ASSERT_EQUAL("\\x1B]0;title\\x07\n\x1b[m\n"s, std::string(block, got));
  }
  void reads_files() {
    std::FILE* file = std::tmpfile();
    std::fputs("one\r\n\ntwo", file);
    std::rewind(file);
    const LineSource source = lines_of(file);
    CPPUNIT_ASSERT_EQUAL("one"s, *source());
    CPPUNIT_ASSERT_EQUAL(""s, *source());
    CPPUNIT_ASSERT_EQUAL("two"s, *source());
    CPPUNIT_ASSERT(!source());
    std::fclose(file);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(BatchTest);

}  // namespace
