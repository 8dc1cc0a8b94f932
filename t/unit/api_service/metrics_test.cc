// What Prometheus reads: by our own eyes, and by the parsers of its own client
// where Debian's python3-prometheus-client is there.
#include "api/metrics.h"

#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <set>

using namespace impulse;
using namespace impulse::api;
using namespace std::string_literals;
using telemetry::Counter;

namespace {

// Reads a page, whose kind is the argument, and says what it found as lines "name{labels} value".
constexpr const char* reader = R"(
import sys
if sys.argv[1] == "openmetrics":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
else:
    from prometheus_client.parser import text_string_to_metric_families as parse
for family in parse(open(sys.argv[2]).read()):
    assert family.documentation, family
    for sample in family.samples:
        labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
        print(f"{family.type} {sample.name}{{{labels}}} {float(sample.value)!r}".replace("\n", "\\n"))
)";
constexpr const char* python = "/usr/bin/python3";

class MetricsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MetricsTest);
  CPPUNIT_TEST(negotiated);
  CPPUNIT_TEST(families_and_samples);
  CPPUNIT_TEST(what_is_not_known_is_left_out);
  CPPUNIT_TEST(a_reset_does_not_show);
  CPPUNIT_TEST(no_name_twice);
  CPPUNIT_TEST(read_by_prometheus);
  CPPUNIT_TEST_SUITE_END();

  telemetry::Counters counters_;
  Figures figures_;

 public:
  void setUp() override {
    figures_.version = "1.2";
    figures_.node = "mx1";
    figures_.started = WallTime(std::chrono::microseconds(1'700'000'000'250'000));
    figures_.generation = 7;
    figures_.listens = {{"ESMTP_Listener", "*:25", true, 3}, {"HTTP_Listener", "/run/a \"b\"\\c\n\xff", false, 0}};
    spool::Status spool;
    spool.accepting = false;
    spool.messages = 12;
    spool.committed = 345;
    figures_.spool = spool;
    figures_.queue = Figures::Queue{2, 30, 4, 5};
    figures_.process = Figures::Process{1 << 20, 17, 1024};
    counters_.add(counters_.tenant("blue"), Counter::messages_received, 5);
    counters_.refused(counters_.scope("ESMTP_Listener *:25"), Counter::refused_relay);
    counters_.refused(*counters_.tenant("blue"), Counter::refused_size);
    counters_.refused(*counters_.tenant("blue"), Counter::refused_size);
    counters_.add(Counter::sessions_open, 3);
  }

 private:
  std::string page(MetricsFormat format = MetricsFormat::text) { return write_metrics(counters_, figures_, format); }
  static bool has(const std::string& page, const std::string& line) {
    return ("\n" + page).find("\n" + line + "\n") != std::string::npos;
  }

  void negotiated() {
    using enum MetricsFormat;
    const std::pair<const char*, MetricsFormat> each[] = {
        {"", text},
        {"*/*", text},
        {"text/html", text},
        {"application/openmetrics-text", openmetrics},
        {"application/openmetrics-text; version=1.0.0", openmetrics},
        {"Application/OpenMetrics-Text;Version=1.0.0;charset=utf-8,*/*;q=0.1", openmetrics},
        {"application/openmetrics-text;version=0.0.1,text/plain;q=0.1", text},
        {"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
         "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
         openmetrics},
        {"application/openmetrics-text;q=0.2,text/plain;q=0.9", text},
        {"application/openmetrics-text;q=0", text},
        {"application/openmetrics-text;q=0.000,text/plain;q=0", text},
        {"application/openmetrics-text;q=nonsense", text},
        {"application/openmetrics-text;q=1.5", text},
        {";;,,=;q=,", text},
    };
    for (const auto& [accept, format] : each) CPPUNIT_ASSERT_MESSAGE(accept, negotiate_metrics(accept) == format);
  }
  void families_and_samples() {
    const std::string text = page();
    CPPUNIT_ASSERT(has(text, "# HELP impulse_messages_received_total messages accepted and durable"));
    CPPUNIT_ASSERT(has(text, "# TYPE impulse_messages_received_total counter\nimpulse_messages_received_total 5"));
    CPPUNIT_ASSERT(has(text, "# TYPE impulse_sessions_open gauge\nimpulse_sessions_open 3"));
    CPPUNIT_ASSERT(has(text, "impulse_refused_total{cause=\"relay\"} 1"));
    CPPUNIT_ASSERT(has(text, "impulse_listener_refused_total{listener=\"ESMTP_Listener *:25\",cause=\"relay\"} 1"));
    CPPUNIT_ASSERT(has(text, "impulse_listener_refused_total{listener=\"ESMTP_Listener *:25\",cause=\"size\"} 0"));
    CPPUNIT_ASSERT(has(text, "impulse_tenant_messages_received_total{tenant=\"blue\"} 5"));
    CPPUNIT_ASSERT(has(text, "impulse_tenant_refused_total{tenant=\"blue\",cause=\"size\"} 2"));
    CPPUNIT_ASSERT(text.find("impulse_tenant_refused_total{tenant=\"blue\",cause=\"relay\"}") == std::string::npos);
    CPPUNIT_ASSERT(has(text, "impulse_spool_accepting 0"));
    CPPUNIT_ASSERT(has(text, "impulse_spool_committed_messages_total 345"));
    CPPUNIT_ASSERT(has(text, "impulse_queue_recipients{state=\"in_flight\"} 5"));
    CPPUNIT_ASSERT(has(text, "process_start_time_seconds 1700000000.250000"));
    CPPUNIT_ASSERT(has(text, "impulse_build_info{version=\"1.2\",node=\"mx1\"} 1"));
    CPPUNIT_ASSERT(has(text, R"(impulse_listener_up{listener="HTTP_Listener /run/a \"b\"\\\\c\\n\\xFF"} 0)"));
    CPPUNIT_ASSERT(text.find("# EOF") == std::string::npos && text.ends_with('\n'));
    const std::string open = page(MetricsFormat::openmetrics);
    CPPUNIT_ASSERT(has(open, "# TYPE impulse_messages_received counter\nimpulse_messages_received_total 5"));
    CPPUNIT_ASSERT(open.ends_with("\n# EOF\n"));
  }
  void what_is_not_known_is_left_out() {
    figures_ = Figures{};
    const std::string text = page();
    for (const char* part : {"impulse_spool_bytes", "impulse_queue_", "process_open_fds", "impulse_listener_up"})
      CPPUNIT_ASSERT_MESSAGE(part, text.find("\n"s + part) == std::string::npos);
  }
  void a_reset_does_not_show() {
    counters_.reset(WallTime{});
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, counters_.shown(Counter::messages_received));
    CPPUNIT_ASSERT(has(page(), "impulse_messages_received_total 5"));
    CPPUNIT_ASSERT(has(page(), "impulse_tenant_messages_received_total{tenant=\"blue\"} 5"));
  }
  void no_name_twice() {
    for (const MetricsFormat format : {MetricsFormat::text, MetricsFormat::openmetrics}) {
      const std::string all = page(format);
      std::set<std::string> families;
      for (size_t at = all.find("# TYPE "); at != std::string::npos; at = all.find("# TYPE ", at + 1))
        CPPUNIT_ASSERT(families.insert(all.substr(at + 7, all.find(' ', at + 7) - at - 7)).second);
      CPPUNIT_ASSERT(families.size() > 30);
    }
  }

  std::string parsed(const char* kind, const std::string& page) {
    char name[] = "/tmp/api_metrics_XXXXXX";
    const int fd = ::mkstemp(name);
    CPPUNIT_ASSERT(fd >= 0);
    CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(page.size()), ::write(fd, page.data(), page.size()));
    ::close(fd);
    const std::string command = fmt::format("{} -c '{}' {} {}", python, reader, kind, name);
    std::FILE* const pipe = ::popen(command.c_str(), "r");
    CPPUNIT_ASSERT(pipe != nullptr);
    std::string out;
    char piece[4096];
    for (size_t count = 0; (count = std::fread(piece, 1, sizeof piece, pipe)) > 0;) out.append(piece, count);
    const int status = ::pclose(pipe);
    ::unlink(name);
    CPPUNIT_ASSERT_EQUAL_MESSAGE(out, 0, status);
    return "\n" + out;
  }
  void read_by_prometheus() {
    const std::string look = fmt::format("{} -c 'import prometheus_client.openmetrics.parser' 2>/dev/null", python);
    if (std::system(look.c_str()) != 0) {
      std::cout << " (skipped: there is no python3-prometheus-client)";
      return;
    }
    for (const char* kind : {"text", "openmetrics"}) {
      const std::string found = parsed(kind, page(kind == "text"s ? MetricsFormat::text : MetricsFormat::openmetrics));
      for (const char* line :
           {"counter impulse_messages_received_total{} 5.0", "gauge impulse_sessions_open{} 3.0",
            "counter impulse_listener_refused_total{cause=relay,listener=ESMTP_Listener *:25} 1.0",
            "counter impulse_tenant_messages_received_total{tenant=blue} 5.0",
            "gauge impulse_queue_recipients{state=active} 30.0", "gauge process_start_time_seconds{} 1700000000.25",
            R"(gauge impulse_listener_up{listener=HTTP_Listener /run/a "b"\\c\n\xFF} 0.0)"})
        CPPUNIT_ASSERT_MESSAGE(std::string(kind) + ": " + line, found.find("\n"s + line + "\n") != std::string::npos);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(MetricsTest);

}  // namespace
