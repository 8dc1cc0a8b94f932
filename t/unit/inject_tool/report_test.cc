// What ec_inject tells: the report for people, that in JSON, the line of progress.
#include "console/inject/report.h"
#include "console/inject/progress.h"

#include <cppunit/extensions/HelperMacros.h>
#include <nlohmann/json.hpp>

#include <string>

namespace impulse::ecinject {
namespace {

class ReportTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ReportTest);
  CPPUNIT_TEST(json);
  CPPUNIT_TEST(json_of_odd_bytes);
  CPPUNIT_TEST(text);
  CPPUNIT_TEST(complete_or_not);
  CPPUNIT_TEST(progress);
  CPPUNIT_TEST(bytes_for_people);
  CPPUNIT_TEST_SUITE_END();

  static RunResult result() {
    RunResult result;
    result.seconds = 2;
    for (uint64_t i = 1; i <= 10; ++i) {
      Settled settled;
      settled.messages = 1;
      settled.recipients = 2;
      settled.bytes = 1000;
      settled.micros = i * 10;
      result.tally.accept(settled);
    }
    return result;
  }
  static Asked asked() { return {"smtp", "mx.example:25", 3, 7, "starttls"}; }

  void json() {
    RunResult run = result();
    run.tally.refuse(550, 1, 2, "5.1.1 no");
    run.tally.refuse(550, 0, 1, "5.1.1 other");
    run.tally.unknown = 4;
    const auto report = nlohmann::json::parse(report_json(asked(), run));
    CPPUNIT_ASSERT_EQUAL(10, report["accepted"]["messages"].get<int>());
    CPPUNIT_ASSERT_EQUAL(20, report["accepted"]["recipients"].get<int>());
    CPPUNIT_ASSERT_EQUAL(10000, report["accepted"]["bytes"].get<int>());
    const auto& code = report["refused"]["codes"]["550"];
    CPPUNIT_ASSERT_EQUAL(1, code["messages"].get<int>());
    CPPUNIT_ASSERT_EQUAL(3, code["recipients"].get<int>());
    CPPUNIT_ASSERT_EQUAL(std::string("5.1.1 no"), code["text"].get<std::string>());
    CPPUNIT_ASSERT_EQUAL(4, report["unknown"].get<int>());
    CPPUNIT_ASSERT_EQUAL(5.0, report["messages_per_second"].get<double>());
    CPPUNIT_ASSERT_EQUAL(50, report["latency"]["p50_us"].get<int>());
    CPPUNIT_ASSERT_EQUAL(100, report["latency"]["max_us"].get<int>());
    CPPUNIT_ASSERT(!report["complete"].get<bool>());
    CPPUNIT_ASSERT(!report.contains("failure"));
  }
  void json_of_odd_bytes() {
    RunResult run;
    run.failure = Failure{EX_UNAVAILABLE, "\"\xFF\n"};
    const auto report = nlohmann::json::parse(report_json(asked(), run));
    CPPUNIT_ASSERT(report["failure"].get<std::string>().starts_with('"'));
    CPPUNIT_ASSERT_EQUAL(0.0, report["messages_per_second"].get<double>());
  }
  void text() {
    RunResult run = result();
    run.tally.refuse(451, 2, 2, "later");
    run.unsent = 3;
    const std::string text = report_text(asked(), run);
    CPPUNIT_ASSERT(
        text.starts_with("accepted    10 messages, 20 recipients, 9.8 KiB in 2.00 s by smtp to mx.example:25\n"));
    for (const char* line : {"\n  451       2 messages, 2 recipients: later\n", "\nnot sent    3 messages\n",
                             "\nrate        5.0 messages/s, 4.9 KiB/s\n", " p99.9 0.10 ms, max 0.10 ms\n"})
      CPPUNIT_ASSERT_MESSAGE(line + text, text.contains(line));
    CPPUNIT_ASSERT(!text.contains("unknown"));
  }
  void complete_or_not() {
    CPPUNIT_ASSERT(all_accepted(result()));
    RunResult one_recipient = result();
    one_recipient.tally.refuse(550, 0, 1, "no");
    CPPUNIT_ASSERT(!all_accepted(one_recipient));
    RunResult unsent = result();
    unsent.unsent = 1;
    CPPUNIT_ASSERT(!all_accepted(unsent));
  }

  void progress() {
    Standing standing;
    standing.seconds = 10;
    standing.done = standing.accepted = 250;
    standing.all = 1000;
    standing.bytes = 10240;
    CPPUNIT_ASSERT_EQUAL(std::string("[######..................]  25% 250/1000  25/s  1.0 KiB/s  0:30 left"),
                         progress_line(standing, 79));
    CPPUNIT_ASSERT_EQUAL(std::string("[####"), progress_line(standing, 5));
    standing.failed = 2;
    standing.all = 0;
    CPPUNIT_ASSERT_EQUAL(std::string("250  25/s  2 failed  1.0 KiB/s"), progress_line(standing, 79));
    standing.duration = 5;  // over already
    CPPUNIT_ASSERT(progress_line(standing, 79).starts_with("[########################] 100% 250"));
    CPPUNIT_ASSERT_EQUAL(std::string("0  0/s"), progress_line(Standing(), 79));
  }
  void bytes_for_people() {
    CPPUNIT_ASSERT_EQUAL(std::string("1023 B"), human_bytes(1023));
    CPPUNIT_ASSERT_EQUAL(std::string("1.5 MiB"), human_bytes(1.5 * 1024 * 1024));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReportTest);

}  // namespace
}  // namespace impulse::ecinject
