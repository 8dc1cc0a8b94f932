// Golden lines of the main log and the bounce log, and what hostile
// fields cannot do to them.
#include "mail_house.h"

#include "base/text.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

using namespace impulse;
using telemetry::MailLogs;
using telemetry::Record;
using telemetry::Stage;
using Kind = telemetry::Record::Kind;
using namespace telemetry::test;

class MailLogsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MailLogsTest);
  CPPUNIT_TEST(reception_line);
  CPPUNIT_TEST(a_line_a_recipient);
  CPPUNIT_TEST(delivery_line);
  CPPUNIT_TEST(failure_lines);
  CPPUNIT_TEST(to_where);
  CPPUNIT_TEST(what_came_by_http);
  CPPUNIT_TEST(bounce_lines);
  CPPUNIT_TEST(what_was_no_reply);
  CPPUNIT_TEST(a_tenant_is_the_last_field);
  CPPUNIT_TEST(null_sender_and_bare_postmaster);
  CPPUNIT_TEST(quoted_local_parts);
  CPPUNIT_TEST(nothing_from_outside_breaks_a_line);
  CPPUNIT_TEST(long_fields_are_cut);
  CPPUNIT_TEST(odd_times);
  CPPUNIT_TEST(heartbeats);
  CPPUNIT_TEST(empty_paths_log_nothing);
  CPPUNIT_TEST(opening_fails_with_reason);
  CPPUNIT_TEST(reopened_after_a_rename);
  CPPUNIT_TEST(many_threads_in_the_order_of_each);
  CPPUNIT_TEST(what_finds_no_room_is_counted);
  CPPUNIT_TEST_SUITE_END();

  void reception_line() {
    House house;
    house.came(envelope());
    house.came(envelope(), 18);
    CPPUNIT_ASSERT_EQUAL(
        id_fields + "@R@bob@example.fict@info@sender.example@10.0.1.1@201@esmtp@default@default@*:25\n" + id_fields +
            "i18-3F7A1B2C@R@bob@example.fict@info@sender.example@10.0.1.1@201@esmtp@default@default@"
            "*:25\n",
        house.main());
  }

  void a_line_a_recipient() {
    House house;
    message::Envelope three = envelope();
    three.recipients = {{"a@one.example"}, {"b@two.example"}, {"c@three.example"}};
    house.came(three);
    const auto lines = lines_of(house.main());
    CPPUNIT_ASSERT_EQUAL(size_t{3}, lines.size());
    CPPUNIT_ASSERT(lines[2].find("@R@c@three.example@info@") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, lines_of(house.text("jsonlog")).size());
    CPPUNIT_ASSERT_EQUAL(std::string(), house.text("bouncelog"));
  }

  void delivery_line() {
    House house;
    house->outcome(sample_out(Kind::delivery));
    CPPUNIT_ASSERT_EQUAL(id_fields +
                             "o7-3F7A1B2C@D@example.fict@201@default@default@2@18.530@10.0.0.1@bob@esmtps@"
                             "192.0.2.7:47234@250 2.0.0 Ok: queued as 12345@25\n",
                         house.main());
  }

  void failure_lines() {
    House house;
    Record record = sample_out(Kind::transient);
    record.response = "421 no adequate servers";
    record.stage = Stage::after_starttls;
    house->outcome(record);
    record = sample_out(Kind::bounce);
    record.response = "552 5.2.2 <bob@example.fict>: No such account";
    record.stage = Stage::after_rcpt;
    house->outcome(record);
    record = sample_out(Kind::expiration);
    record.session = record.bytes = 0;
    record.stage = Stage::unknown;
    record.response = "5.4.7 [internal] not delivered in time";
    record.peer = record.local = record.protocol = "";
    house->outcome(record);
    CPPUNIT_ASSERT_EQUAL(
        id_fields +
            "o7-3F7A1B2C@T@example.fict@31@default@default@16@2@18.530@10.0.0.1@421 no adequate servers@bob@esmtps@"
            "192.0.2.7:47234@25\n" +
            id_fields +
            "o7-3F7A1B2C@P@example.fict@31@default@default@5@2@18.530@10.0.0.1@552 5.2.2 <bob\\x40example.fict>: No "
            "such account@bob@esmtps@192.0.2.7:47234@25\n" +
            id_fields +
            "@P@example.fict@0@default@default@22@2@18.530@@554 5.4.7 [internal] not delivered in time@bob@@@\n",
        house.main());
  }

  // At Momentum's offsets the address stands alone; the port is the last field.
  void to_where() {
    House house;
    const auto check = [&](const std::string& peer, const std::string& address, const std::string& port) {
      Record record = sample_out(Kind::delivery);
      record.peer = peer;
      house->outcome(record);
      record.kind = Kind::transient;
      house->outcome(record);
      const auto lines = lines_of(house.main());
      const auto delivered = split(lines.at(lines.size() - 2), '@');
      const auto failed = split(lines.back(), '@');
      const std::string bounced_line = lines_of(house.text("bouncelog")).back();
      const auto bounced = split(bounced_line, '@');
      for (const auto& [fields, at] : {std::pair(delivered, 11), std::pair(failed, 12), std::pair(bounced, 14)}) {
        CPPUNIT_ASSERT_EQUAL(address, std::string(fields.at(static_cast<size_t>(at))));
        CPPUNIT_ASSERT_EQUAL(port, std::string(fields.back()));
      }
    };
    check("10.0.0.1:25", "10.0.0.1", "25");
    check("[2001:db8::1]:2525", "2001:db8::1", "2525");
    check("2001:db8::1", "2001:db8::1", "");
    check("", "", "");
    check("blackhole", "blackhole", "");
    check("mx.example.fict", "mx.example.fict", "");
    check("/var/mail/b:25", "/var/mail/b:25", "");
    check("./mail/b:25", "./mail/b:25", "");
  }

  void what_came_by_http() {
    House house;
    house.came(envelope(), 1, "HTTP");
    house.came(envelope(), 1, "HTTPS");
    const auto lines = lines_of(house.main());
    CPPUNIT_ASSERT_MESSAGE(lines.at(0), lines.at(0).find("@10.0.1.1@201@rest@") != std::string::npos);
    CPPUNIT_ASSERT_MESSAGE(lines.at(1), lines.at(1).find("@10.0.1.1@201@rests@") != std::string::npos);
    CPPUNIT_ASSERT(house.text("jsonlog").find(R"("reception_protocol":"HTTPS",)") != std::string::npos);
  }

  void bounce_lines() {
    House house;
    Record record = sample_out(Kind::transient);
    record.response = "450 4.2.0 greylisted";
    record.stage = Stage::after_rcpt;
    house->outcome(record);
    record.kind = Kind::bounce;
    record.response = "550 5.1.1 unknown";
    house->outcome(record);
    record.kind = Kind::admin_bounce;
    record.tenant = "blue";
    house->outcome(record);
    house->outcome(sample_out(Kind::delivery));
    const std::string middle = "bob@example.fict@info@sender.example@default@default@5@";
    CPPUNIT_ASSERT_EQUAL(id_fields + "o7-3F7A1B2C@T@" + middle + "70@201@10.0.0.1@450 4.2.0 greylisted@25\n" +
                             id_fields + "o7-3F7A1B2C@B@" + middle + "10@201@10.0.0.1@550 5.1.1 unknown@25\n" +
                             id_fields + "o7-3F7A1B2C@B@" + middle + "25@201@10.0.0.1@550 5.1.1 unknown@25@blue\n",
                         house.text("bouncelog"));
  }

  void what_was_no_reply() {
    House house;
    const auto check = [&](Kind kind, const std::string& response, const std::string& status, const std::string& reply,
                           const std::string& json) {
      Record record = sample_out(kind);
      record.response = response;
      record.status = status;
      house->outcome(record);
      const auto ends_with = [](const std::string& text, const std::string& end) {
        CPPUNIT_ASSERT_MESSAGE(text, text.ends_with(end));
      };
      ends_with(lines_of(house.main()).back(), "@10.0.0.1@" + reply + "@bob@esmtps@192.0.2.7:47234@25");
      ends_with(lines_of(house.text("bouncelog")).back(), "@201@10.0.0.1@" + reply + "@25");
      const std::string object = lines_of(house.text("jsonlog")).back();
      CPPUNIT_ASSERT_MESSAGE(object, object.find("\"response\":{" + json + "},") != std::string::npos);
    };
    check(Kind::transient, "connection refused", "4.4.1", "451 4.4.1 [internal] connection refused",
          R"("code":400,"enhanced_code":{"class":4,"subject":4,"detail":1},"content":"connection refused")");
    check(Kind::transient, "4.4.3 no answer", "4.4.1", "451 4.4.3 [internal] no answer",
          R"("code":400,"enhanced_code":{"class":4,"subject":4,"detail":3},"content":"no answer")");
    check(Kind::transient, "", "", "451 [internal] ", R"("code":400,"content":"")");
    // A code of the other kind says nothing.
    for (const char* status : {"4.4.1", "5.4", "5.4.1 ", "x"})
      check(Kind::bounce, "no", status, "554 [internal] no", R"("code":554,"content":"no")");
    check(Kind::bounce, "no", "5.1.3", "554 5.1.3 [internal] no",
          R"("code":554,"enhanced_code":{"class":5,"subject":1,"detail":3},"content":"no")");
    check(Kind::expiration, "5.4.7 [internal] late: 450 4.2.0 x", "4.2.0", "554 5.4.7 [internal] late: 450 4.2.0 x",
          R"("code":554,"enhanced_code":{"class":5,"subject":4,"detail":7},"content":"[internal] late: 450 4.2.0 x")");
    check(Kind::admin_bounce, "550 5.7.1 so be it", "5.0.0", "550 5.7.1 so be it",
          R"("code":550,"enhanced_code":{"class":5,"subject":7,"detail":1},"content":"so be it","command":".")");
    Record ours = sample_out(Kind::bounce);
    ours.peer_name.clear();
    ours.response = "550 5.4.4 mx.example: 127.0.0.1 is one of Prohibited_Hosts";
    house->outcome(ours);
    const std::string bounced = lines_of(house.text("bouncelog")).back();
    CPPUNIT_ASSERT_MESSAGE(bounced, bounced.ends_with("@550 5.4.4 [internal] mx.example: 127.0.0.1 is one of "
                                                      "Prohibited_Hosts@25"));
    // A reply without an enhanced code gets none.
    check(Kind::bounce, "550 no", "5.0.0", "550 no", R"("code":550,"content":"no","command":".")");
  }

  void a_tenant_is_the_last_field() {
    House house;
    for (const Kind kind : {Kind::delivery, Kind::transient, Kind::bounce}) {
      Record record = sample_out(kind);
      house->outcome(record);
      record.tenant = "blue";
      house->outcome(record);
    }
    message::Envelope one = envelope();
    house.came(one);
    one.tenant = "blue";
    house.came(one);
    const auto lines = lines_of(house.main());
    CPPUNIT_ASSERT_EQUAL(size_t{8}, lines.size());
    for (size_t i = 0; i < lines.size(); i += 2) CPPUNIT_ASSERT_EQUAL(lines[i] + "@blue", lines[i + 1]);
  }

  void null_sender_and_bare_postmaster() {
    House house;
    message::Envelope one = envelope();
    one.sender.clear();
    one.recipients = {{"postmaster"}};
    house.came(one);
    CPPUNIT_ASSERT(house.main().find("@@R@postmaster@@@@10.0.1.1@201@") != std::string::npos);
  }

  void quoted_local_parts() {
    House house;
    message::Envelope one = envelope();
    one.recipients = {{"\"b@b, \\\"x\\\"\"@example.fict"}};
    one.sender = "\"@\"";
    house.came(one);
    CPPUNIT_ASSERT(house.main().find("@@R@\"b\\x40b, \\\\\"x\\\\\"\"@example.fict@\"\\x40\"@@10.0.1.1@") !=
                   std::string::npos);
  }

  // Every field filled with what would break a line or shift a field.
  void nothing_from_outside_breaks_a_line() {
    House house;
    std::string evil;
    for (int c = 0; c < 256; ++c) evil += static_cast<char>(c);
    evil += "\r\n1@x@x@@R@@@@\n\xC3\xA4\xE2\x80\xA8";
    message::Envelope one = envelope();
    one.sender = one.recipients[0].address = one.listener = one.client_helo = one.user = evil;
    one.context = {{evil, evil}};
    house.came(one, 1, evil);
    for (const Kind kind : {Kind::delivery, Kind::transient, Kind::bounce}) {
      Record record = sample_out(kind);
      record.id = record.recipient = record.sender = record.peer = record.peer_name = record.local = record.domain =
          record.response = record.protocol = evil;
      record.tls = std::make_shared<const telemetry::TlsFacts>(telemetry::TlsFacts{evil, evil, evil});
      house->outcome(record);
    }
    const auto lines = lines_of(house.main());
    CPPUNIT_ASSERT_EQUAL(size_t{4}, lines.size());
    CPPUNIT_ASSERT_EQUAL(size_t{14}, separators(lines[0]));
    CPPUNIT_ASSERT_EQUAL(size_t{16}, separators(lines[1]));
    CPPUNIT_ASSERT_EQUAL(size_t{17}, separators(lines[2]));
    CPPUNIT_ASSERT_EQUAL(size_t{17}, separators(lines[3]));
    const auto bounces = lines_of(house.text("bouncelog"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, bounces.size());
    for (const auto& line : bounces) CPPUNIT_ASSERT_EQUAL(size_t{16}, separators(line));
    const auto objects = lines_of(house.text("jsonlog"));
    CPPUNIT_ASSERT_EQUAL(size_t{4}, objects.size());
    for (const auto* log : {&lines, &bounces, &objects})
      for (const auto& line : *log)
        for (const char c : line) CPPUNIT_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  }

  void long_fields_are_cut() {
    House house;
    Record record = sample_out(Kind::transient);
    record.response = std::string(1000000, '@');
    house->outcome(record);
    record.response = "x";
    while (record.response.size() < 5000) record.response += "\xC3\xA4";
    house->outcome(record);
    CPPUNIT_ASSERT(house.main().size() < 8000);
    CPPUNIT_ASSERT(house.main().ends_with("@bob@esmtps@192.0.2.7:47234@25\n"));
    const std::string json = house.text("jsonlog");
    CPPUNIT_ASSERT(json.size() < 6000);
    CPPUNIT_ASSERT(json.find("\\u00") == std::string::npos);  // cut between two characters
  }

  void odd_times() {
    House house;
    Record record = sample_out(Kind::delivery);
    record.delay = std::chrono::seconds(-5);  // the clock was set back
    house->outcome(record);
    record.delay = std::chrono::hours(24 * 5) + std::chrono::milliseconds(7);
    record.time = WallTime(std::chrono::microseconds(-1));
    house->outcome(record);
    const auto lines = lines_of(house.main());
    CPPUNIT_ASSERT(lines.at(0).find("@2@0.000@") != std::string::npos);
    CPPUNIT_ASSERT(lines.at(1).find("@2@432000.007@") != std::string::npos);
    CPPUNIT_ASSERT(lines.at(1).starts_with("-1@"));
    CPPUNIT_ASSERT(lines_of(house.text("jsonlog")).at(1).find("\"timestamp\":0,") != std::string::npos);
  }

  void heartbeats() {
    telemetry::LogContext context;
    context.terms.heartbeat = std::chrono::milliseconds(1);
    House house(context);
    const auto last_of = [&](const char* name) {
      std::string text;
      while (!text.ends_with('\n')) text = slurp(house.dir() / name);
      const auto lines = lines_of(text);
      return lines.back().substr(lines.back().find('@'));
    };
    CPPUNIT_ASSERT_EQUAL(std::string("@@@@M"), last_of("mainlog"));
    CPPUNIT_ASSERT_EQUAL(std::string("@@@@M1"), last_of("bouncelog"));
    CPPUNIT_ASSERT_EQUAL(std::string(), house.text("jsonlog"));
  }

  void empty_paths_log_nothing() {
    auto logs = MailLogs::open({});
    CPPUNIT_ASSERT(logs.has_value());
    (*logs)->outcome(sample_out(Kind::bounce));
    (*logs)->reception({"1", std::make_shared<const message::Envelope>(envelope()), 1, "ESMTP"});
    (*logs)->flush();
    CPPUNIT_ASSERT((*logs)->writers().empty());
  }

  void opening_fails_with_reason() {
    TempDir dir;
    for (const int which : {0, 1, 2}) {
      MailLogs::Settings settings;
      (which == 0 ? settings.mainlog : which == 1 ? settings.bouncelog : settings.jsonlog) = dir / "missing/log";
      const auto logs = MailLogs::open(settings);
      CPPUNIT_ASSERT(!logs);
      CPPUNIT_ASSERT(logs.error().message.find("missing/log") != std::string::npos);
    }
  }

  void reopened_after_a_rename() {
    House house;
    house.came(envelope());
    house->flush();
    std::filesystem::rename(house.dir() / "mainlog", house.dir() / "mainlog.1");
    for (const auto& [name, writer] : house->writers()) CPPUNIT_ASSERT(writer->reopen().has_value());
    house->outcome(sample_out(Kind::delivery));
    CPPUNIT_ASSERT(house.main().find("@D@") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, lines_of(slurp(house.dir() / "mainlog.1")).size());
  }

  void many_threads_in_the_order_of_each() {
    House house;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&house, t] {
        for (uint32_t i = 0; i < 1000; ++i) {
          Record record = sample_out(Kind::delivery);
          record.domain = std::string(1, static_cast<char>('a' + t));
          record.attempts = i;
          house->outcome(std::move(record));
        }
      });
    }
    for (auto& thread : threads) thread.join();
    const auto lines = lines_of(house.main());
    CPPUNIT_ASSERT_EQUAL(size_t{4000}, lines.size());
    uint32_t next[4] = {};
    for (const auto& line : lines) {
      const size_t at = line.find("@D@") + 3;
      const std::string expected = "@201@default@default@" + std::to_string(next[line[at] - 'a']++) + "@";
      CPPUNIT_ASSERT_EQUAL(expected, line.substr(at + 1, expected.size()));
    }
  }

  // A pipe that nobody reads: who logs is not held up, and what is lost is counted for each log.
  void what_finds_no_room_is_counted() {
    TempDir dir;
    const std::string fifo = dir / "fifo";
    CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(fifo.c_str(), 0600));
    const UniqueFd reader(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    telemetry::Counters counters;
    telemetry::LogContext context;
    context.counters = &counters;
    auto logs = std::move(MailLogs::open({.mainlog = dir / "mainlog", .jsonlog = fifo}, context).value());
    Record record = sample_out(Kind::delivery);
    record.response = std::string(1024, 'x');
    constexpr uint64_t count = 60000;  // of more than 1024 bytes
    for (uint64_t i = 0; i < count; ++i) {
      logs->outcome(record);
      if (i % 10000 == 0) logs->flush();
    }
    logs->flush();
    const auto lost = static_cast<uint64_t>(counters.value(telemetry::Counter::jsonlog_lines_lost));
    CPPUNIT_ASSERT(lost > 0 && lost < count);
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, counters.value(telemetry::Counter::mainlog_lines_lost));
    CPPUNIT_ASSERT_EQUAL(size_t{count}, lines_of(slurp(dir / "mainlog")).size());
    const auto status = logs->writers().at(1).second->status();
    CPPUNIT_ASSERT_EQUAL(lost, status.dropped);
    CPPUNIT_ASSERT(status.waiting > 0);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(MailLogsTest);
