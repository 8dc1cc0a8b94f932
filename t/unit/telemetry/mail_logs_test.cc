// Golden lines of the main log, and what hostile fields cannot do to them.
#include "telemetry/mainlog.h"

#include "temp_dir.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <thread>

using namespace impulse;
using telemetry::Mainlog;
using telemetry::Record;

namespace {

Record sample() {
  Record record;
  record.time = WallTime(std::chrono::seconds(1064868656) + std::chrono::milliseconds(999));
  record.id = "0000001F/000004D2-node1";
  record.recipient = "bob@example.fict";
  record.sender = "info@sender.example";
  record.peer = "10.0.1.1";
  record.local = "*:25";
  record.domain = "example.fict";
  record.size = 201;
  record.protocol = "ESMTP";
  return record;
}

Record sample_out() {
  Record record = sample();
  record.peer = "10.0.0.1:25";
  record.local = "192.0.2.7";
  record.attempts = 2;
  record.delay = std::chrono::microseconds(18530999);
  record.response = "250 2.0.0 Ok: queued as 12345";
  record.protocol = "ESMTPS";
  return record;
}

size_t separators(const std::string& line) { return static_cast<size_t>(std::count(line.begin(), line.end(), '@')); }

}  // namespace

class MainlogTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MainlogTest);
  CPPUNIT_TEST(reception_line);
  CPPUNIT_TEST(delivery_line);
  CPPUNIT_TEST(failure_lines);
  CPPUNIT_TEST(a_tenant_is_the_last_field);
  CPPUNIT_TEST(null_sender_and_bare_postmaster);
  CPPUNIT_TEST(quoted_local_parts);
  CPPUNIT_TEST(nothing_from_outside_breaks_a_line);
  CPPUNIT_TEST(long_fields_are_cut);
  CPPUNIT_TEST(odd_times);
  CPPUNIT_TEST(empty_path_logs_nothing);
  CPPUNIT_TEST(opening_fails_with_reason);
  CPPUNIT_TEST(rotation);
  CPPUNIT_TEST(many_threads);
  CPPUNIT_TEST_SUITE_END();

  void reception_line() {
    Scratch<Mainlog> scratch;
    scratch.log().reception(sample());
    CPPUNIT_ASSERT_EQUAL(std::string("1064868656@0000001F/000004D2-node1@0000001F/000004D2-node1@@R@bob@example.fict@"
                                     "info@sender.example@10.0.1.1@201@esmtp@default@default@*:25\n"),
                         scratch.text());
  }

  void delivery_line() {
    Scratch<Mainlog> scratch;
    scratch.log().delivery(sample_out());
    CPPUNIT_ASSERT_EQUAL(std::string("1064868656@0000001F/000004D2-node1@0000001F/000004D2-node1@@D@example.fict@201@"
                                     "default@default@2@18.530@10.0.0.1:25@bob@esmtps@192.0.2.7@"
                                     "250 2.0.0 Ok: queued as 12345\n"),
                         scratch.text());
  }

  void failure_lines() {
    Scratch<Mainlog> scratch;
    Record record = sample_out();
    record.response = "421 no adequate servers";
    scratch.log().transient(record);
    record.response = "552 5.2.2 <bob@example.fict>: No such account";
    scratch.log().permanent(record);
    CPPUNIT_ASSERT_EQUAL(
        std::string("1064868656@0000001F/000004D2-node1@0000001F/000004D2-node1@@T@example.fict@@default@default@22@2@"
                    "18.530@10.0.0.1:25@421 no adequate servers@bob@esmtps@192.0.2.7\n"
                    "1064868656@0000001F/000004D2-node1@0000001F/000004D2-node1@@P@example.fict@@default@default@22@2@"
                    "18.530@10.0.0.1:25@552 5.2.2 <bob\\x40example.fict>: No such account@bob@esmtps@192.0.2.7\n"),
        scratch.text());
  }

  void a_tenant_is_the_last_field() {
    for (int kind = 0; kind < 4; ++kind) {
      Scratch<Mainlog> scratch;
      Record record = sample_out();
      for (const char* tenant : {"", "blue"}) {
        record.tenant = tenant;
        if (kind == 0) scratch.log().reception(record);
        if (kind == 1) scratch.log().delivery(record);
        if (kind == 2) scratch.log().transient(record);
        if (kind == 3) scratch.log().permanent(record);
      }
      const std::string text = scratch.text();
      const std::string none = text.substr(0, text.find('\n'));
      CPPUNIT_ASSERT_EQUAL(none + "\n" + none + "@blue\n", text);
    }
  }
  void null_sender_and_bare_postmaster() {
    Scratch<Mainlog> scratch;
    Record record = sample();
    record.sender.clear();
    record.recipient = "postmaster";
    scratch.log().reception(record);
    CPPUNIT_ASSERT(scratch.text().find("@@R@postmaster@@@@10.0.1.1@201@") != std::string::npos);
  }

  void quoted_local_parts() {
    Scratch<Mainlog> scratch;
    Record record = sample();
    record.recipient = "\"b@b, \\\"x\\\"\"@example.fict";
    record.sender = "\"@\"";
    scratch.log().reception(record);
    CPPUNIT_ASSERT(scratch.text().find("@@R@\"b\\x40b, \\\\\"x\\\\\"\"@example.fict@\"\\x40\"@@10.0.1.1@") !=
                   std::string::npos);
  }

  // Every field filled with what would break a line or shift a field.
  void nothing_from_outside_breaks_a_line() {
    Scratch<Mainlog> scratch;
    std::string evil;
    for (int c = 0; c < 256; ++c) evil += static_cast<char>(c);
    evil += "\r\n1@x@x@@R@@@@\n\xC3\xA4\xE2\x80\xA8";
    Record record;
    record.id = record.recipient = record.sender = record.peer = record.local = record.domain = record.response =
        record.protocol = evil;
    scratch.log().reception(record);
    scratch.log().delivery(record);
    scratch.log().transient(record);
    scratch.log().permanent(record);
    const auto lines = lines_of(scratch.text());
    CPPUNIT_ASSERT_EQUAL(size_t{4}, lines.size());
    CPPUNIT_ASSERT_EQUAL(size_t{14}, separators(lines[0]));
    CPPUNIT_ASSERT_EQUAL(size_t{15}, separators(lines[1]));
    CPPUNIT_ASSERT_EQUAL(size_t{16}, separators(lines[2]));
    CPPUNIT_ASSERT_EQUAL(size_t{16}, separators(lines[3]));
    for (const auto& line : lines) {
      for (const char c : line) CPPUNIT_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
    }
  }

  void long_fields_are_cut() {
    Scratch<Mainlog> scratch;
    Record record = sample_out();
    record.response = std::string(1000000, '@');
    scratch.log().transient(record);
    CPPUNIT_ASSERT(scratch.text().size() < 6000);
    CPPUNIT_ASSERT(scratch.text().ends_with("@bob@esmtps@192.0.2.7\n"));
  }

  void odd_times() {
    Scratch<Mainlog> scratch;
    Record record = sample_out();
    record.delay = std::chrono::seconds(-5);  // the clock was set back
    scratch.log().delivery(record);
    record.delay = std::chrono::hours(24 * 5) + std::chrono::milliseconds(7);
    record.time = WallTime(std::chrono::microseconds(-1));
    scratch.log().delivery(record);
    const auto lines = lines_of(scratch.text());
    CPPUNIT_ASSERT(lines.at(0).find("@2@0.000@") != std::string::npos);
    CPPUNIT_ASSERT(lines.at(1).find("@2@432000.007@") != std::string::npos);
    CPPUNIT_ASSERT(lines.at(1).starts_with("-1@"));
  }

  void empty_path_logs_nothing() {
    auto log = Mainlog::open("");
    CPPUNIT_ASSERT(log.has_value());
    (*log)->reception(sample());
    (*log)->delivery(sample());
    (*log)->transient(sample());
    (*log)->permanent(sample());
    CPPUNIT_ASSERT((*log)->reopen().has_value());
    (*log)->flush();
  }

  void opening_fails_with_reason() {
    TempDir dir;
    const auto log = Mainlog::open(dir / "missing/mainlog");
    CPPUNIT_ASSERT(!log);
    CPPUNIT_ASSERT(log.error().message.find("missing/mainlog") != std::string::npos);
  }

  void rotation() {
    Scratch<Mainlog> scratch;
    scratch.log().reception(sample());
    scratch.log().flush();
    std::filesystem::rename(scratch.dir() / "log", scratch.dir() / "log.1");
    CPPUNIT_ASSERT(scratch.log().reopen().has_value());
    scratch.log().delivery(sample_out());
    CPPUNIT_ASSERT(scratch.text().find("@@D@") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, lines_of(slurp(scratch.dir() / "log.1")).size());
  }

  void many_threads() {
    Scratch<Mainlog> scratch;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) scratch.log().reception(sample());
      });
    }
    for (auto& thread : threads) thread.join();
    const auto lines = lines_of(scratch.text());
    CPPUNIT_ASSERT_EQUAL(size_t{4000}, lines.size());
    for (const auto& line : lines) CPPUNIT_ASSERT_EQUAL(lines[0], line);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(MainlogTest);
