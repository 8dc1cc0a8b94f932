// Golden lines of the JSON log, and out-of-band bounces there and in the bounce log.
#include "mail_house.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using telemetry::MailLogs;
using telemetry::Record;
using telemetry::Stage;
using Kind = telemetry::Record::Kind;
using namespace telemetry::test;

class JsonLogTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(JsonLogTest);
  CPPUNIT_TEST(json_reception);
  CPPUNIT_TEST(json_delivery);
  CPPUNIT_TEST(json_notes);
  CPPUNIT_TEST(nothing_is_chosen_without_a_log);
  CPPUNIT_TEST(json_failures);
  CPPUNIT_TEST(out_of_band);
  CPPUNIT_TEST(complaints);
  CPPUNIT_TEST(a_complaint_of_which_little_is_known);
  CPPUNIT_TEST(hostile_complaints_stay_one_line);
  CPPUNIT_TEST(reports_are_read_only_when_asked_for);
  CPPUNIT_TEST(reports_where_there_is_a_bounce_log_only);
  CPPUNIT_TEST(reports_that_find_no_room_are_counted);
  CPPUNIT_TEST(json_of_a_maildir);
  CPPUNIT_TEST(what_is_always_there);
  CPPUNIT_TEST(of_the_json_log_alone);
  CPPUNIT_TEST_SUITE_END();

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
                    R"("feedback_report":null,"meta":{"campaign":"spring \"sale\"","a\"b":"x"},"headers":{},)"
                    R"("reception_protocol":"ESMTPSA",)"
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
                    R"("source_address":{"address":"192.0.2.7:47234"},"feedback_report":null,"meta":{},"headers":{},)"
                    R"("delivery_protocol":"ESMTPS","nodeid":"node1",)"
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
    has(R"("meta":{"campaign":"spring","job":"7"},"headers":{},"reception)");
    house->choose({{"subject", "x*"}, {"job"}});
    CPPUNIT_ASSERT(house->choice() != nullptr);
    house.came(one);
    has(R"("meta":{"job":"7"},"headers":{"subject":"a \"b\"","X-A":["1","\u00e4\u000d\u000a3"],"x\"c":"2"},"reception)");
    Record record = sample_out(Kind::delivery);
    record.reception_protocol = "HTTP";
    house->outcome(record);
    has(R"("egress_source":"default","source_address":{"address":"192.0.2.7:47234"},"feedback_report":null,)"
        R"("meta":{},"headers":{},"delivery_protocol":"ESMTPS","reception_protocol":"HTTP","nodeid")");
    record.kind = Kind::expiration;
    record.note = telemetry::note_of(*house->choice(), one);
    house->outcome(record);
    has(R"("meta":{"job":"7"},"headers":{"subject":"a \"b\"",)");
    house->choose({{"none"}, {}});
    record.note = telemetry::note_of(*house->choice(), one);
    house->outcome(record);
    has(R"("meta":{},"headers":{},"delivery_protocol")");
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
                             "10@2010@10.0.1.1@550 no such user@@blue\n" + id_fields + "i18-3F7A1B2C@B@ann@z.example" +
                             back + "22@2010@10.0.1.1@550 5.2.2 [internal] [oob] it is full\\x40@@blue\n",
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
            R"("feedback_report":null,"meta":{},"headers":{},)"
            R"("reception_protocol":"ESMTPS","nodeid":"node1","session_id":"i18-3F7A1B2C","tenant":"blue",)"
            R"("original_envelope_id":"Q1","stage":21,"bounce_code":10})"),
        objects[2]);
    CPPUNIT_ASSERT(objects[3].find(R"("peer_address":{"name":"mx.z.example","addr":"10.0.1.1"},)") !=
                   std::string::npos);
    CPPUNIT_ASSERT(objects[3].find(R"("content":"it is full@"})") != std::string::npos);
  }

  static telemetry::Reception complaint(const std::string& fields, const std::string& original) {
    telemetry::Reception reception = report("");
    reception.report = std::make_shared<const std::string>(
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: message/feedback-report\r\n\r\n" +
        fields + "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + original + "\r\n--b--\r\n");
    return reception;
  }

  void complaints() {
    House house;
    const auto one = complaint(
        "Feedback-Type: abuse\r\nUser-Agent: Some/1.0\r\nVersion: 1\r\nArrival-Date: 8 Mar 2005 18:00 +0000\r\n"
        "Incidents: 2\r\nOriginal-Envelope-Id: Q1\r\nOriginal-Mail-From: <a@b.example>\r\n"
        "Reporting-MTA: dns; mx.far.example\r\nSource-IP: 192.0.2.1\r\nAuthentication-Results: mx; spf=pass\r\n"
        "Original-Rcpt-To: <c@far.example>\r\nReported-Domain: b.example\r\nReported-URI: http://b.example/\r\n"
        "Reported-URI: mailto:a@b.example\r\nAbuse-Type: complaint\r\n",
        "Subject: \"mine\"\r\n\r\nwords\r\n");
    house->read_reports([](std::string_view domain) { return domain == "elsewhere.example"; });
    house->reception(one);
    house->flush();
    house->read_reports([](std::string_view domain) { return domain == "back.example"; });
    house->reception(one);
    CPPUNIT_ASSERT_EQUAL(std::string(), house.text("bouncelog"));
    // It is mail that came in, in the main log.
    const auto lines = lines_of(house.main());
    CPPUNIT_ASSERT_EQUAL(size_t{4}, lines.size());
    for (const std::string& line : lines) CPPUNIT_ASSERT_MESSAGE(line, line.find("@R@") != std::string::npos);
    const auto objects = lines_of(house.text("jsonlog"));
    CPPUNIT_ASSERT_EQUAL(size_t{4}, objects.size());
    for (const size_t i : {0, 1, 2}) {
      CPPUNIT_ASSERT_MESSAGE(objects[i], objects[i].starts_with(R"({"type":"Reception",)"));
      CPPUNIT_ASSERT_MESSAGE(objects[i], objects[i].find(R"("feedback_report":null,)") != std::string::npos);
    }
    CPPUNIT_ASSERT_EQUAL(
        std::string(
            R"({"type":"Feedback","id":"0000001F/000004D2-node1","sender":"","recipient":"bounces+7@back.example",)"
            R"("queue":"blue@back.example","site":"","size":2010,"response":{"code":250,"content":""},)"
            R"("peer_address":{"name":"client.example","addr":"10.0.1.1"},)"
            R"("timestamp":1064868656,"created":1064868656,"event_time":"2003-09-29T20:50:56.999Z",)"
            R"("created_time":"2003-09-29T20:50:56.999Z","num_attempts":0,)"
            R"("bounce_classification":"Uncategorized","egress_pool":"default","egress_source":"default",)"
            R"("feedback_report":{"feedback_type":"abuse","user_agent":"Some/1.0","version":"1",)"
            R"("arrival_date":"2005-03-08T18:00:00Z","incidents":2,"original_envelope_id":"Q1",)"
            R"("original_mail_from":"a@b.example","reporting_mta":{"mta_type":"dns","name":"mx.far.example"},)"
            R"("source_ip":"192.0.2.1","authentication_results":["mx; spf=pass"],)"
            R"("original_rcpto_to":["c@far.example"],"reported_domain":["b.example"],)"
            R"("reported_uri":["http://b.example/","mailto:a@b.example"],)"
            R"("extensions":{"abuse-type":["complaint"]},)"
            R"("original_message":"Subject: \"mine\"\u000a\u000awords\u000a","supplemental_trace":null},)"
            R"("meta":{},"headers":{},"reception_protocol":"ESMTPS","nodeid":"node1",)"
            R"("session_id":"i18-3F7A1B2C","tenant":"blue","listen":"*:25"})"),
        objects[3]);
  }

  void a_complaint_of_which_little_is_known() {
    House house;
    house->read_reports([](std::string_view domain) { return domain == "back.example"; });
    house->reception(complaint("Feedback-Type: other\r\n", ""));
    const auto objects = lines_of(house.text("jsonlog"));
    const std::string_view expected =
        R"("feedback_report":{"feedback_type":"other","user_agent":"","version":"","arrival_date":null,)"
        R"("incidents":null,"original_envelope_id":null,"original_mail_from":null,"reporting_mta":null,)"
        R"("source_ip":null,"authentication_results":[],"original_rcpto_to":[],"reported_domain":[],)"
        R"("reported_uri":[],"extensions":{},"original_message":"","supplemental_trace":null},)";
    CPPUNIT_ASSERT_MESSAGE(objects.at(1), objects.at(1).find(expected) != std::string::npos);
    // One that does not say what it is about is mail that came in.
    house->reception(complaint("User-Agent: x\r\n", ""));
    CPPUNIT_ASSERT(lines_of(house.text("jsonlog")).back().starts_with(R"({"type":"Reception",)"));
  }

  void hostile_complaints_stay_one_line() {
    House house;
    house->read_reports([](std::string_view domain) { return domain == "back.example"; });
    std::string evil;
    for (int c = 0; c < 256; ++c)
      if (c != '\r' && c != '\n') evil += static_cast<char>(c);
    std::string fields = "Feedback-Type: " + evil + "\r\n";
    for (const char* name : {"User-Agent", "Source-IP", "Reporting-MTA", "Reported-URI", "X\"\\{}"})
      fields += std::string(name) + ": " + evil + "\r\n";
    std::string original;
    while (original.size() < 100000) original += evil + "\r\n";
    house->reception(complaint(fields, original));
    const auto objects = lines_of(house.text("jsonlog"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, objects.size());
    CPPUNIT_ASSERT(objects[1].starts_with(R"({"type":"Feedback",)"));
    CPPUNIT_ASSERT(objects[1].find(R"("x\"\\{}":[")") != std::string::npos);
    CPPUNIT_ASSERT(objects[1].size() < size_t{6} * 40000);
    for (const char c : objects[1]) CPPUNIT_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
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

  void reports_where_there_is_a_bounce_log_only() {
    TempDir dir;
    const auto logs = std::move(MailLogs::open({.bouncelog = dir / "bouncelog"}).value());
    logs->read_reports([](std::string_view domain) { return domain == "back.example"; });
    const auto one = report("Final-Recipient: rfc822; bob@y.example\r\nAction: failed\r\nStatus: 5.1.1\r\n");
    CPPUNIT_ASSERT(logs->reads_reports(*one.envelope));
    logs->reception(one);
    logs->flush();
    const auto lines = lines_of(slurp(dir / "bouncelog"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, lines.size());
    CPPUNIT_ASSERT(lines[0].find("@B@bob@y.example@bounces+7@back.example@") != std::string::npos);
  }

  void reports_that_find_no_room_are_counted() {
    TempDir dir;
    telemetry::Counters counters;
    telemetry::LogContext context;
    context.counters = &counters;
    const auto logs =
        std::move(MailLogs::open({.mainlog = dir / "mainlog", .bouncelog = dir / "bouncelog"}, context).value());
    logs->read_reports([](std::string_view) { return true; });
    auto one = report("");
    one.report = std::make_shared<const std::string>(size_t{65} << 20, 'x');  // more than may ever wait
    logs->reception(one);
    logs->flush();
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, counters.value(telemetry::Counter::mainlog_lines_lost));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, counters.value(telemetry::Counter::bouncelog_lines_lost));
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

  void of_the_json_log_alone() {
    House house;
    Record record = sample_out(Kind::admin_rebind);
    record.response = "250 Rebound from a to b";
    house->outcome(record);
    CPPUNIT_ASSERT_EQUAL(std::string(), house.main() + house.text("bouncelog"));
    CPPUNIT_ASSERT(house.text("jsonlog").starts_with(R"({"type":"AdminRebind",)"));
  }

  // What a reader may count on, as KumoMTA's record has it whatever happened: JsonLogRecord's
  // members that are no Option.
  void what_is_always_there() {
    House house;
    message::Envelope one = envelope();
    one.client_helo.clear();
    house.came(one, 18, "HTTP");
    for (const Kind kind :
         {Kind::delivery, Kind::transient, Kind::bounce, Kind::expiration, Kind::admin_bounce, Kind::admin_rebind}) {
      Record record = sample_out(kind);
      house->outcome(record);
      record.peer_name.clear();
      record.response = "";
      house->outcome(record);
      record.peer = record.local = record.protocol = "";
      house->outcome(record);
    }
    const auto lines = lines_of(house.text("jsonlog"));
    CPPUNIT_ASSERT_EQUAL(size_t{19}, lines.size());
    for (const std::string& line : lines) {
      for (const char* name :
           {"type", "id", "sender", "recipient", "queue", "site", "size", "response", "timestamp", "created",
            "num_attempts", "bounce_classification", "feedback_report", "meta", "headers", "nodeid", "content", "code"})
        CPPUNIT_ASSERT_MESSAGE(name + (" in " + line),
                               line.find("\"" + std::string(name) + "\":") != std::string::npos);
      if (line.find("\"peer_address\"") == std::string::npos) continue;
      CPPUNIT_ASSERT_MESSAGE(line, line.find(R"("peer_address":{"name":")") != std::string::npos);
    }
    CPPUNIT_ASSERT(lines[0].find(R"("peer_address":{"name":"","addr":"10.0.1.1"},)") != std::string::npos);
    // A host that has no address to go to is none.
    Record record = sample_out(Kind::transient);
    record.peer = "mx.example.fict";
    house->outcome(record);
    CPPUNIT_ASSERT(lines_of(house.text("jsonlog")).back().find("peer_address") == std::string::npos);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(JsonLogTest);
