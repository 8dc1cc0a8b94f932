// trace smtp: who is traced, into which file, and what is written there.
#include "fake_system.h"

#include "base/files.h"

#include <cppunit/extensions/HelperMacros.h>
#include <nlohmann/json.hpp>

#include <filesystem>

#include <unistd.h>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;

namespace {

class TraceTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TraceTest);
  CPPUNIT_TEST(nobody);
  CPPUNIT_TEST(add_list_remove);
  CPPUNIT_TEST(who_is_traced);
  CPPUNIT_TEST(what_is_written);
  CPPUNIT_TEST(limit);
  CPPUNIT_TEST(removed_while_in_use);
  CPPUNIT_TEST(wrong);
  CPPUNIT_TEST_SUITE_END();

  std::string folder_;

 public:
  void setUp() override {
    char name[] = "/tmp/trace-test-XXXXXX";
    CPPUNIT_ASSERT(::mkdtemp(name) != nullptr);
    folder_ = name;
  }
  void tearDown() override { std::filesystem::remove_all(folder_); }

 private:
  static telemetry::TraceSpec to_domain(const std::string& domain, const std::string& file) {
    telemetry::TraceSpec spec;
    spec.binding = "*";
    spec.domain = domain;
    spec.file = file;
    return spec;
  }
  void nobody() {
    const telemetry::SmtpTracers tracers;
    CPPUNIT_ASSERT(!tracers.any());
    CPPUNIT_ASSERT(tracers.inbound(IpAddress::v4(1), "x") == nullptr);
    CPPUNIT_ASSERT(tracers.outbound("default", "a.example", "x") == nullptr);
  }
  void add_list_remove() {
    Console console;
    const std::string file = folder_ + "/t";
    CPPUNIT_ASSERT_EQUAL("=0 ok traces=0\n"s, console("trace smtp list"));
    CPPUNIT_ASSERT_EQUAL(" Registered smtp tracer #1\n=0 ok id=1\n"s, console("trace smtp add * a.example " + file));
    CPPUNIT_ASSERT_EQUAL(" {\"id\":2}\n=0 ok id=2\n"s,
                         console("--json trace smtp add inbound 10.1.2.3/8 " + file + " --limit 1M"));
    CPPUNIT_ASSERT_EQUAL(" [     1]  binding: *\n            domain: a.example\n              file: " + file +
                             " @ 0\n [     2]  clients: 10.0.0.0/8\n              file: " + file +
                             " @ 0\n=0 ok traces=2\n",
                         console("trace smtp list"));
    const std::string rows = console("--json trace smtp list");
    CPPUNIT_ASSERT(rows.find("{\"id\":2,\"clients\":\"10.0.0.0/8\",\"file\":\"" + file +
                             "\",\"bytes\":0,\"limit\":1048576,\"full\":false}") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(" Removed smtp tracer #1\n=0 ok\n"s, console("trace smtp remove 1"));
    CPPUNIT_ASSERT_EQUAL("!error trace-unknown there is no smtp tracer #1\n=3 not-found\n"s,
                         console("trace smtp remove 1"));
    CPPUNIT_ASSERT(console.system.tracers.any());
    console("trace smtp remove #2");  // a comment begins there
    CPPUNIT_ASSERT(console.system.tracers.any());
    console("trace smtp remove 2");
    CPPUNIT_ASSERT(!console.system.tracers.any());
  }
  void who_is_traced() {
    Console console;
    const auto& tracers = console.system.tracers;
    console("trace smtp add outbound fast a.example " + folder_ + "/t");
    CPPUNIT_ASSERT(tracers.outbound("FAST", "A.example", "x") != nullptr);
    CPPUNIT_ASSERT(tracers.outbound("slow", "a.example", "x") == nullptr);
    CPPUNIT_ASSERT(tracers.outbound("fast", "b.example", "x") == nullptr);
    CPPUNIT_ASSERT(tracers.inbound(IpAddress::v4(0x0A000001), "x") == nullptr);
    console("trace smtp add inbound 10.0.0.0/8 " + folder_ + "/t");
    CPPUNIT_ASSERT(tracers.inbound(IpAddress::v4(0x0A000001), "x") != nullptr);
    CPPUNIT_ASSERT(tracers.inbound(IpAddress::v4(0x0B000001), "x") == nullptr);
    CPPUNIT_ASSERT(tracers.inbound(*IpAddress::parse("2001:db8::1"), "x") == nullptr);
    console("trace smtp add inbound * " + folder_ + "/t");
    CPPUNIT_ASSERT(tracers.inbound(*IpAddress::parse("2001:db8::1"), "x") != nullptr);
  }
  void what_is_written() {
    const std::string one = folder_ + "/one", all = folder_ + "/all";
    {
      telemetry::SmtpTracers tracers;
      CPPUNIT_ASSERT(tracers.add(to_domain("a.example", one)));
      CPPUNIT_ASSERT(tracers.add(to_domain("*", all)));
      const auto trace = tracers.outbound("default", "a.example", "out:1");
      trace->sent("EHLO me\r\nNOOP\r\n");
      trace->received("250 evil\x1b[2J");
      tracers.outbound("default", "b.example", "out:2")->note("gone");
    }
    const std::string text = *read_file(one);
    CPPUNIT_ASSERT_EQUAL(ptrdiff_t{3}, std::count(text.begin(), text.end(), '\n'));
    for (const auto said : {"Z out:1 > EHLO me\n", "Z out:1 > NOOP\n", "Z out:1 < 250 evil\\x1B[2J\n"})
      CPPUNIT_ASSERT_MESSAGE(text, text.find(said) != std::string::npos);
    CPPUNIT_ASSERT((*read_file(all)).ends_with("Z out:2 * gone\n"));
  }
  void limit() {
    const std::string file = folder_ + "/t";
    {
      telemetry::SmtpTracers tracers;
      auto spec = to_domain("*", file);
      spec.limit = 4096;
      CPPUNIT_ASSERT(tracers.add(spec));
      const auto trace = tracers.outbound("default", "a.example", "out:1");
      for (int i = 0; i < 1000; ++i) trace->sent("NOOP");
      CPPUNIT_ASSERT(tracers.list().at(0).full);
      CPPUNIT_ASSERT_EQUAL(uint64_t{4096}, tracers.list().at(0).bytes);
    }
    const std::string text = *read_file(file);
    CPPUNIT_ASSERT(text.size() < 4096 + 100);
    CPPUNIT_ASSERT(text.ends_with("* the limit of 4096 bytes is reached\n"));
  }
  void removed_while_in_use() {
    const std::string file = folder_ + "/t";
    telemetry::SmtpTracers tracers;
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, *tracers.add(to_domain("*", file)));
    auto trace = tracers.outbound("default", "a.example", "out:1");
    trace->sent("NOOP");
    CPPUNIT_ASSERT(tracers.remove(1));
    trace->sent("QUIT");
    trace.reset();  // and with it the file
    CPPUNIT_ASSERT((*read_file(file)).ends_with("NOOP\n"));
  }
  void wrong() {
    Console console;
    for (const auto command :
         {"trace smtp add", "trace smtp add * *", "trace smtp add inbound 10.0.0.0/33 /tmp/x",
          "trace smtp add * * \"\"", "trace smtp add * * /tmp/x more again", "trace smtp add * * /tmp/x --limit 12",
          "trace smtp remove", "trace smtp remove x", "trace smtp remove 1 2", "trace smtp list all"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
    for (const auto file : {"relative", "/nonexistent/x", "/tmp", "/dev/null"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(file, "=1 failed"s, status_of(console("trace smtp add * * "s + file)));
    for (size_t i = 0; i < telemetry::SmtpTracers::most; ++i)
      CPPUNIT_ASSERT(console("trace smtp add * * " + folder_ + "/t").starts_with(" Registered"));
    CPPUNIT_ASSERT_EQUAL("=1 failed"s, status_of(console("trace smtp add * * " + folder_ + "/t")));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TraceTest);

}  // namespace
