// Golden lines of the main log, the bounce log and the JSON log, and what hostile
// fields cannot do to them.
#include "telemetry/mail_logs.h"

#include "temp_dir.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

using namespace impulse;
using telemetry::MailLogs;
using telemetry::Record;
using telemetry::Stage;
using Kind = telemetry::Record::Kind;

namespace {

constexpr WallTime event_time = WallTime(std::chrono::seconds(1064868656) + std::chrono::milliseconds(999));

message::Envelope envelope() {
  message::Envelope envelope;
  envelope.received = event_time;
  envelope.sender = "info@sender.example";
  envelope.recipients = {{"bob@example.fict"}};
  envelope.client = IpAddress::parse("10.0.1.1").value();
  envelope.client_helo = "client.example";
  envelope.listener = "*:25";
  return envelope;
}

Record sample_out(Kind kind) {
  Record record;
  record.kind = kind;
  record.time = event_time;
  record.received = event_time - std::chrono::seconds(18);
  record.id = "0000001F/000004D2-node1";
  record.recipient = "bob@example.fict";
  record.sender = "info@sender.example";
  record.domain = "example.fict";
  record.size = 201;
  record.peer = "10.0.0.1:25";
  record.peer_name = "mx.example.fict";
  record.local = "192.0.2.7:47234";
  record.attempts = 2;
  record.delay = std::chrono::microseconds(18530999);
  record.response = "250 2.0.0 Ok: queued as 12345";
  record.protocol = "ESMTPS";
  record.session = 7;
  record.stage = Stage::confirmation;
  record.bytes = 31;
  return record;
}

const std::string id_fields = "1064868656@0000001F/000004D2-node1@0000001F/000004D2-node1@";

// Logs of mail in a directory of their own.
class House {
 public:
  explicit House(telemetry::LogContext context = {})
      : logs_(std::move(MailLogs::open({.mainlog = dir_ / "mainlog",
                                        .bouncelog = dir_ / "bouncelog",
                                        .jsonlog = dir_ / "jsonlog",
                                        .facts = {"node1", WallTime(std::chrono::seconds(0x3F7A1B2C))}},
                                       context)
                            .value())) {}
  MailLogs& operator*() { return *logs_; }
  MailLogs* operator->() { return logs_.get(); }
  void came(message::Envelope envelope, uint64_t session = 0, const std::string& protocol = "ESMTP") {
    logs_->reception({"0000001F/000004D2-node1", std::make_shared<const message::Envelope>(std::move(envelope)), 201,
                      protocol, session});
  }
  std::string text(const std::string& name) {
    logs_->flush();
    return slurp(dir_ / name);
  }
  std::string main() { return text("mainlog"); }
  const TempDir& dir() const { return dir_; }

 private:
  TempDir dir_;
  std::unique_ptr<MailLogs> logs_;
};

size_t separators(const std::string& line) { return static_cast<size_t>(std::count(line.begin(), line.end(), '@')); }

}  // namespace

class MailLogsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MailLogsTest);
  CPPUNIT_TEST(reception_line);
  CPPUNIT_TEST(a_line_a_recipient);
  CPPUNIT_TEST(delivery_line);
  CPPUNIT_TEST(failure_lines);
  CPPUNIT_TEST(bounce_lines);
  CPPUNIT_TEST(what_was_no_reply);
  CPPUNIT_TEST(json_reception);
  CPPUNIT_TEST(json_delivery);
  CPPUNIT_TEST(json_notes);
  CPPUNIT_TEST(nothing_is_chosen_without_a_log);
  CPPUNIT_TEST(json_failures);
  CPPUNIT_TEST(out_of_band);
  CPPUNIT_TEST(reports_are_read_only_when_asked_for);
  CPPUNIT_TEST(json_of_a_maildir);
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
                             "o7-3F7A1B2C@D@example.fict@201@default@default@2@18.530@10.0.0.1:25@bob@esmtps@"
                             "192.0.2.7:47234@250 2.0.0 Ok: queued as 12345\n",
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
            "o7-3F7A1B2C@T@example.fict@31@default@default@16@2@18.530@10.0.0.1:25@421 no adequate servers@bob@esmtps@"
            "192.0.2.7:47234\n" +
            id_fields +
            "o7-3F7A1B2C@P@example.fict@31@default@default@5@2@18.530@10.0.0.1:25@552 5.2.2 <bob\\x40example.fict>: No "
            "such account@bob@esmtps@192.0.2.7:47234\n" +
            id_fields +
            "@P@example.fict@0@default@default@22@2@18.530@@554 5.4.7 [internal] not delivered in time@bob@@\n",
        house.main());
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
    CPPUNIT_ASSERT_EQUAL(id_fields + "o7-3F7A1B2C@T@" + middle + "70@201@10.0.0.1:25@450 4.2.0 greylisted\n" +
                             id_fields + "o7-3F7A1B2C@B@" + middle + "10@201@10.0.0.1:25@550 5.1.1 unknown\n" +
                             id_fields + "o7-3F7A1B2C@B@" + middle + "25@201@10.0.0.1:25@550 5.1.1 unknown@blue\n",
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
      ends_with(lines_of(house.main()).back(), "@10.0.0.1:25@" + reply + "@bob@esmtps@192.0.2.7:47234");
      ends_with(lines_of(house.text("bouncelog")).back(), "@201@10.0.0.1:25@" + reply);
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
                                                      "Prohibited_Hosts"));
    // A reply without an enhanced code gets none.
    check(Kind::bounce, "550 no", "5.0.0", "550 no", R"("code":550,"content":"no","command":".")");
  }

  void json_reception() {
    House house;
    message::Envelope one = envelope();
    one.tenant = "blue";
    one.user = "alice";
    one.context = {{"campaign", "spring \"sale\""}, {"a\"b", "x"}};
    house.came(one, 18, "ESMTPSA");
    CPPUNIT_ASSERT_EQUAL(
        std::string(R"({"type":"Reception","id":"0000001F/000004D2-node1","sender":"info@sender.example",)"
                    R"("recipient":"bob@example.fict","queue":"blue@example.fict","site":"","size":201,)"
                    R"("response":{"code":250,"content":""},)"
                    R"("peer_address":{"name":"client.example","addr":"10.0.1.1"},)"
                    R"("timestamp":1064868656,"created":1064868656,"event_time":"2003-09-29T20:50:56.999Z",)"
                    R"("created_time":"2003-09-29T20:50:56.999Z","num_attempts":0,)"
                    R"("bounce_classification":"Uncategorized","egress_pool":"default","egress_source":"default",)"
                    R"("meta":{"campaign":"spring \"sale\"","a\"b":"x"},"reception_protocol":"ESMTPSA",)"
                    R"("nodeid":"node1","session_id":"i18-3F7A1B2C","tenant":"blue","listen":"*:25","user":"alice"})"
                    "\n"),
        house.text("jsonlog"));
  }

  void json_delivery() {
    House house;
    Record record = sample_out(Kind::delivery);
    record.tls = std::make_shared<const telemetry::TlsFacts>(
        telemetry::TlsFacts{"TLSv1.3", "TLS_AES_256_GCM_SHA384", "CN=mx.example.fict,O=Fict\\, Inc."});
    house->outcome(record);
    CPPUNIT_ASSERT_EQUAL(
        std::string(R"({"type":"Delivery","id":"0000001F/000004D2-node1","sender":"info@sender.example",)"
                    R"("recipient":"bob@example.fict","queue":"example.fict","site":"default->mx.example.fict",)"
                    R"("size":201,"response":{"code":250,"enhanced_code":{"class":2,"subject":0,"detail":0},)"
                    R"("content":"Ok: queued as 12345","command":"."},)"
                    R"("peer_address":{"name":"mx.example.fict","addr":"10.0.0.1"},)"
                    R"("timestamp":1064868656,"created":1064868638,"event_time":"2003-09-29T20:50:56.999Z",)"
                    R"("created_time":"2003-09-29T20:50:38.999Z","num_attempts":2,)"
                    R"("bounce_classification":"Uncategorized","egress_pool":"default","egress_source":"default",)"
                    R"("source_address":{"address":"192.0.2.7:47234"},"delivery_protocol":"ESMTPS","nodeid":"node1",)"
                    R"("tls_cipher":"TLS_AES_256_GCM_SHA384","tls_protocol_version":"TLSv1.3",)"
                    R"("tls_peer_subject_name":["CN=mx.example.fict","O=Fict\\, Inc."],)"
                    R"("session_id":"o7-3F7A1B2C","delay":18.530})"
                    "\n"),
        house.text("jsonlog"));
  }

  void json_notes() {
    House house;
    const auto last = [&] { return lines_of(house.text("jsonlog")).back(); };
    const auto has = [&](const std::string& what) {
      CPPUNIT_ASSERT_MESSAGE(what + " in " + last(), last().find(what) != std::string::npos);
    };
    CPPUNIT_ASSERT(house->choice() == nullptr);
    message::Envelope one = envelope();
    one.context = {{"campaign", "spring"}, {"job", "7"}};
    one.headers = {{"Subject", "a \"b\""}, {"X-A", "1"}, {"x\"c", "2"}, {"X-a", "\xE4\r\n3"}};
    house.came(one);
    has(R"("meta":{"campaign":"spring","job":"7"},"reception)");
    house->choose({{"subject", "x*"}, {"job"}});
    CPPUNIT_ASSERT(house->choice() != nullptr);
    house.came(one);
    has(R"("meta":{"job":"7"},"headers":{"subject":"a \"b\"","X-A":["1","\u00e4\u000d\u000a3"],"x\"c":"2"},"reception)");
    Record record = sample_out(Kind::delivery);
    record.reception_protocol = "HTTP";
    house->outcome(record);
    has(R"("egress_source":"default","source_address":{"address":"192.0.2.7:47234"},"delivery_protocol":"ESMTPS",)"
        R"("reception_protocol":"HTTP","nodeid")");
    record.kind = Kind::expiration;
    record.note = telemetry::note_of(*house->choice(), one);
    house->outcome(record);
    has(R"("meta":{"job":"7"},"headers":{"subject":"a \"b\"",)");
    house->choose({{"none"}, {}});
    record.note = telemetry::note_of(*house->choice(), one);
    house->outcome(record);
    has(R"("192.0.2.7:47234"},"headers":{},"delivery_protocol")");
    house->choose({});
    CPPUNIT_ASSERT(house->choice() == nullptr);
  }

  void nothing_is_chosen_without_a_log() {
    TempDir dir;
    auto logs = MailLogs::open({.mainlog = dir / "mainlog"});
    (*logs)->choose({{"*"}, {"*"}});
    CPPUNIT_ASSERT((*logs)->choice() == nullptr);
  }

  void json_failures() {
    House house;
    Record record = sample_out(Kind::transient);
    record.peer = "[2001:db8::1]:25";
    record.response = "450 later";
    record.stage = Stage::after_mail;
    house->outcome(record);
    record.response = "connection refused";
    record.stage = Stage::not_connected;
    house->outcome(record);
    record.kind = Kind::bounce;
    record.response = "550 5.1.1 <bob@example.fict> unknown";
    record.stage = Stage::after_rcpt;
    house->outcome(record);
    record.kind = Kind::expiration;
    record.response = "5.4.7 [internal] not delivered in time";
    record.stage = Stage::unknown;
    house->outcome(record);
    record.kind = Kind::admin_bounce;
    house->outcome(record);
    const auto lines = lines_of(house.text("jsonlog"));
    CPPUNIT_ASSERT_EQUAL(size_t{5}, lines.size());
    const auto has = [&](size_t line, const std::string& what) {
      CPPUNIT_ASSERT_MESSAGE(what + " in " + lines[line], lines[line].find(what) != std::string::npos);
    };
    has(0, R"({"type":"TransientFailure",)");
    has(0, R"("response":{"code":450,"content":"later","command":"MAIL FROM"},)");
    has(0, R"("peer_address":{"name":"mx.example.fict","addr":"2001:db8::1"},)");
    has(0, R"("bounce_classification":"Transient Failure",)");
    has(0, R"("delay":18.530,"bytes":31,"stage":3,"bounce_code":70})");
    has(1, R"("response":{"code":400,"content":"connection refused"},)");
    has(2, R"({"type":"Bounce",)");
    has(2,
        R"("enhanced_code":{"class":5,"subject":1,"detail":1},"content":"<bob@example.fict> unknown","command":"RCPT TO"},)");
    has(2, R"("bounce_classification":"Invalid Recipient",)");
    has(3, R"({"type":"Expiration",)");
    has(3,
        R"("response":{"code":554,"enhanced_code":{"class":5,"subject":4,"detail":7},"content":"[internal] not delivered in time"},)");
    has(3, R"("bounce_code":24})");
    has(4, R"({"type":"AdminBounce",)");
    has(4, R"("bounce_code":25})");
  }

  static telemetry::Reception report(const std::string& status, const std::string& to = "bounces+7@back.example") {
    message::Envelope one = envelope();
    one.sender.clear();
    one.recipients = {{"other@x.example"}, {to}};
    one.tenant = "blue";
    telemetry::Reception reception{"0000001F/000004D2-node1", std::make_shared<const message::Envelope>(one), 2010,
                                   "ESMTPS", 18};
    reception.report = std::make_shared<const std::string>(
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n"
        "Original-Envelope-Id: Q1\r\n\r\n" +
        status + "\r\n--b--\r\n");
    return reception;
  }

  void out_of_band() {
    House house;
    house->read_reports([](std::string_view domain) { return domain == "back.example"; });
    house->reception(
        report("Final-Recipient: rfc822; bob@y.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
               "Diagnostic-Code: smtp; 550 no such user\r\n\r\n"
               "Final-Recipient: rfc822; late@y.example\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n"
               "Original-Recipient: rfc822; ann@z.example\r\nFinal-Recipient: rfc822; a@y.example\r\nAction: failed\r\n"
               "Status: 5.2.2\r\nRemote-MTA: dns; mx.z.example\r\nDiagnostic-Code: x-local; it is full@\r\n"));
    const std::string back = "@bounces+7@back.example@default@default@21@";
    CPPUNIT_ASSERT_EQUAL(id_fields + "i18-3F7A1B2C@B@bob@y.example" + back +
                             "10@2010@10.0.1.1@550 no such user@blue\n" + id_fields + "i18-3F7A1B2C@B@ann@z.example" +
                             back + "22@2010@10.0.1.1@550 5.2.2 [internal] [oob] it is full\\x40@blue\n",
                         house.text("bouncelog"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, lines_of(house.main()).size());  // that it came
    const auto objects = lines_of(house.text("jsonlog"));
    CPPUNIT_ASSERT_EQUAL(size_t{4}, objects.size());
    CPPUNIT_ASSERT_EQUAL(
        std::string(
            R"({"type":"OOB","id":"0000001F/000004D2-node1","sender":"bounces+7@back.example",)"
            R"("recipient":"bob@y.example","queue":"blue@y.example","site":"","size":2010,)"
            R"("response":{"code":550,"enhanced_code":{"class":5,"subject":1,"detail":1},"content":"no such user"},)"
            R"("peer_address":{"name":"mx.example.net","addr":"10.0.1.1"},)"
            R"("timestamp":1064868656,"created":1064868656,"event_time":"2003-09-29T20:50:56.999Z",)"
            R"("created_time":"2003-09-29T20:50:56.999Z","num_attempts":0,)"
            R"("bounce_classification":"Invalid Recipient","egress_pool":"default","egress_source":"default",)"
            R"("reception_protocol":"ESMTPS","nodeid":"node1","session_id":"i18-3F7A1B2C","tenant":"blue",)"
            R"("original_envelope_id":"Q1","stage":21,"bounce_code":10})"),
        objects[2]);
    CPPUNIT_ASSERT(objects[3].find(R"("peer_address":{"name":"mx.z.example","addr":"10.0.1.1"},)") !=
                   std::string::npos);
    CPPUNIT_ASSERT(objects[3].find(R"("content":"it is full@"})") != std::string::npos);
  }

  void reports_are_read_only_when_asked_for() {
    House house;
    const auto one = report("Final-Recipient: rfc822; bob@y.example\r\nAction: failed\r\nStatus: 5.1.1\r\n");
    CPPUNIT_ASSERT(!house->reads_reports(*one.envelope));
    house->reception(one);
    house->flush();
    house->read_reports([](std::string_view domain) { return domain == "elsewhere.example"; });
    CPPUNIT_ASSERT(!house->reads_reports(*one.envelope));
    house->reception(one);
    house->flush();
    house->read_reports([](std::string_view domain) { return domain == "back.example"; });
    CPPUNIT_ASSERT(house->reads_reports(*one.envelope));
    house.came(envelope());
    CPPUNIT_ASSERT_EQUAL(std::string(), house.text("bouncelog"));
    house->read_reports(nullptr);
    CPPUNIT_ASSERT(!house->reads_reports(*one.envelope));
    TempDir dir;
    auto without = MailLogs::open({.mainlog = dir / "mainlog"});
    (*without)->read_reports([](std::string_view) { return true; });
    CPPUNIT_ASSERT(!(*without)->reads_reports(*one.envelope));
  }

  void json_of_a_maildir() {
    House house;
    Record record = sample_out(Kind::delivery);
    record.peer = "/var/mail/bob";
    record.peer_name = record.local = "";
    record.protocol = "MAILDIR";
    record.response = "delivered as 1.2.3";
    record.session = 0;
    record.stage = Stage::unknown;
    house->outcome(record);
    const std::string line = house.text("jsonlog");
    CPPUNIT_ASSERT(line.find(R"("site":"default->/var/mail/bob",)") != std::string::npos);
    CPPUNIT_ASSERT(line.find(R"("response":{"code":250,"content":"delivered as 1.2.3"},)") != std::string::npos);
    CPPUNIT_ASSERT(line.find(R"("path":"/var/mail/bob"})") != std::string::npos);
    CPPUNIT_ASSERT(line.find("peer_address") == std::string::npos);
    CPPUNIT_ASSERT(line.find("source_address") == std::string::npos);
    CPPUNIT_ASSERT(line.find("session_id") == std::string::npos);
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
    CPPUNIT_ASSERT_EQUAL(size_t{15}, separators(lines[1]));
    CPPUNIT_ASSERT_EQUAL(size_t{16}, separators(lines[2]));
    CPPUNIT_ASSERT_EQUAL(size_t{16}, separators(lines[3]));
    const auto bounces = lines_of(house.text("bouncelog"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, bounces.size());
    for (const auto& line : bounces) CPPUNIT_ASSERT_EQUAL(size_t{15}, separators(line));
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
    CPPUNIT_ASSERT(house.main().ends_with("@bob@esmtps@192.0.2.7:47234\n"));
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
