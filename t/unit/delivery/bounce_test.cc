// Reports to the sender, as GMime reads them.
#include "delivery/bounce.h"

#include "house.h"

#include <gmime/gmime.h>

#include <algorithm>
#include <sstream>

namespace impulse::delivery {
namespace {

using namespace test;

// GMime's view of a message: its parts, flat.
class Parsed {
 public:
  explicit Parsed(const std::string& text) {
    static const bool once = (g_mime_init(), true);
    (void)once;
    GMimeStream* stream = g_mime_stream_mem_new_with_buffer(text.data(), text.size());
    GMimeParser* parser = g_mime_parser_new_with_stream(stream);
    message_ = g_mime_parser_construct_message(parser, nullptr);
    g_object_unref(parser);
    g_object_unref(stream);
    CPPUNIT_ASSERT(message_ != nullptr);
    CPPUNIT_ASSERT(GMIME_IS_MULTIPART(g_mime_message_get_mime_part(message_)));
  }
  ~Parsed() { g_object_unref(message_); }
  Parsed(const Parsed&) = delete;
  Parsed& operator=(const Parsed&) = delete;

  std::string header(const char* name) const {
    const char* value = g_mime_object_get_header(GMIME_OBJECT(message_), name);
    return value == nullptr ? "" : value;
  }
  GMimeMultipart* multipart() const { return GMIME_MULTIPART(g_mime_message_get_mime_part(message_)); }
  std::string type() const { return type_of(GMIME_OBJECT(multipart())); }
  std::string parameter(const char* name) const {
    return g_mime_object_get_content_type_parameter(GMIME_OBJECT(multipart()), name);
  }
  int count() const { return g_mime_multipart_get_count(multipart()); }
  std::string type(int part) const { return type_of(g_mime_multipart_get_part(multipart(), part)); }
  // A part as it stands, without its own header.
  std::string content(int part) const {
    GMimeObject* object = g_mime_multipart_get_part(multipart(), part);
    GMimeStream* out = g_mime_stream_mem_new();
    if (GMIME_IS_MESSAGE_PART(object)) {
      GMimeMessage* inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
      g_mime_object_write_to_stream(GMIME_OBJECT(inner), nullptr, out);
    } else {
      GMimeDataWrapper* data = g_mime_part_get_content(GMIME_PART(object));
      g_mime_data_wrapper_write_to_stream(data, out);
    }
    GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(out));
    std::string text(reinterpret_cast<const char*>(bytes->data), bytes->len);
    g_object_unref(out);
    std::erase(text, '\r');
    return text;
  }

 private:
  static std::string type_of(GMimeObject* object) {
    char* type = g_mime_content_type_get_mime_type(g_mime_object_get_content_type(object));
    std::string text(type);
    g_free(type);
    return text;
  }
  GMimeMessage* message_;
};

class BounceTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BounceTest);
  CPPUNIT_TEST(is_a_delivery_report);
  CPPUNIT_TEST(names_each_recipient);
  CPPUNIT_TEST(holds_as_much_of_the_original_as_was_asked_for);
  CPPUNIT_TEST(a_large_original_does_not_go_back);
  CPPUNIT_TEST(an_original_cannot_break_out);
  CPPUNIT_TEST(what_others_said_stays_in_its_line);
  CPPUNIT_TEST(odd_originals);
  CPPUNIT_TEST(reasons_are_indented_throughout);
  CPPUNIT_TEST(lines_are_short_and_end_properly);
  CPPUNIT_TEST(what_the_sender_said_decides);
  CPPUNIT_TEST(names_what_the_sender_called_it);
  CPPUNIT_TEST(in_utf8_where_the_message_is);
  CPPUNIT_TEST(status_is_read_from_replies);
  CPPUNIT_TEST_SUITE_END();

  Route route_;
  spool::Stored original_;

 public:
  void setUp() override {
    route_.hostname = "mx1.example";
    route_.mailer_daemon = "MAILER-DAEMON@mx1.example";
    original_.id = {1, 16};
    original_.envelope.sender = "alice@example.com";
    original_.envelope.recipients = {{"bob@example.net"}, {"carol@example.net"}};
    original_.envelope.received = WallTime(std::chrono::seconds(1700557500));
    original_.trace = "Received: by mx1.example;\r\n\tnow\r\n";
    original_.body = "Subject: hello\r\nTo: bob\r\n\r\nthe body\r\n";
  }

 private:
  std::string make(const std::vector<ReportLine>& failures = {
                       {"bob@example.net", "5.1.1", "It was refused.", "mx.example.net", "550 5.1.1 no such user"}}) {
    spool::Incoming bounce = make_bounce(original_, "00000001/00000010-mx1", failures, route_, 5, wall_now());
    CPPUNIT_ASSERT(bounce.envelope.sender.empty());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, bounce.envelope.recipients.size());
    CPPUNIT_ASSERT_EQUAL(original_.envelope.sender, bounce.envelope.recipients[0].address);
    eight_bit_ = bounce.envelope.body_type == message::BodyType::eight_bit_mime;
    return bounce.body.to_string();
  }
  bool eight_bit_ = false;

  void is_a_delivery_report() {
    const Parsed report(make());
    CPPUNIT_ASSERT_EQUAL(std::string("multipart/report"), report.type());
    CPPUNIT_ASSERT_EQUAL(std::string("delivery-status"), report.parameter("report-type"));
    CPPUNIT_ASSERT_EQUAL(3, report.count());
    CPPUNIT_ASSERT_EQUAL(std::string("text/plain"), report.type(0));
    CPPUNIT_ASSERT_EQUAL(std::string("message/delivery-status"), report.type(1));
    CPPUNIT_ASSERT_EQUAL(std::string("text/rfc822-headers"), report.type(2));
    CPPUNIT_ASSERT_EQUAL(std::string("auto-replied"), report.header("Auto-Submitted"));
    CPPUNIT_ASSERT(holds(report.header("From"), "<MAILER-DAEMON@mx1.example>"));
    CPPUNIT_ASSERT(holds(report.header("To"), "alice@example.com"));
    CPPUNIT_ASSERT(holds(report.header("Message-ID"), "@mx1.example>"));
    CPPUNIT_ASSERT(!report.header("Date").empty() && !report.header("Subject").empty());
    CPPUNIT_ASSERT_EQUAL(std::string("1.0"), report.header("MIME-Version"));
    CPPUNIT_ASSERT(holds(report.content(0), "bob@example.net\n"));
    CPPUNIT_ASSERT(holds(report.content(0), "550 5.1.1 no such user"));
    CPPUNIT_ASSERT(holds(report.content(0), "00000001/00000010-mx1"));
  }

  void names_each_recipient() {
    const Parsed report(make({{"bob@example.net", "5.1.1", "refused", "mx.example.net", "550 5.1.1 no such user"},
                              {"\"c\\\"d\"@example.net", "5.4.7", "It could not be delivered in time.", "", ""}}));
    CPPUNIT_ASSERT_EQUAL(std::string("Reporting-MTA: dns; mx1.example\n"
                                     "Arrival-Date: Tue, 21 Nov 2023 09:05:00 +0000\n"
                                     "\n"
                                     "Final-Recipient: rfc822; bob@example.net\n"
                                     "Action: failed\n"
                                     "Status: 5.1.1\n"
                                     "Remote-MTA: dns; mx.example.net\n"
                                     "Diagnostic-Code: smtp; 550 5.1.1 no such user\n"
                                     "\n"
                                     "Final-Recipient: rfc822; \"c\\\"d\"@example.net\n"
                                     "Action: failed\n"
                                     "Status: 5.4.7\n"),
                         report.content(1));
  }

  void holds_as_much_of_the_original_as_was_asked_for() {
    route_.original = Route::Original::headers;
    CPPUNIT_ASSERT_EQUAL(std::string("Received: by mx1.example;\n\tnow\nSubject: hello\nTo: bob\n"),
                         Parsed(make()).content(2));
    route_.original = Route::Original::full;
    const Parsed full(make());
    CPPUNIT_ASSERT_EQUAL(std::string("message/rfc822"), full.type(2));
    CPPUNIT_ASSERT_EQUAL(std::string("Received: by mx1.example;\n\tnow\nSubject: hello\nTo: bob\n\nthe body\n"),
                         full.content(2));
    route_.original = Route::Original::no;
    CPPUNIT_ASSERT_EQUAL(2, Parsed(make()).count());
  }

  // What comes in by stream may be too much for the spool in one piece.
  void a_large_original_does_not_go_back() {
    original_.body += std::string(9 << 20, 'x') + "\r\n";
    for (const auto ret : {message::Ret::not_given, message::Ret::full}) {
      original_.envelope.ret = ret;
      route_.original = ret == message::Ret::full ? Route::Original::headers : Route::Original::full;
      CPPUNIT_ASSERT_EQUAL(std::string("Received: by mx1.example;\n\tnow\nSubject: hello\nTo: bob\n"),
                           Parsed(make()).content(2));
    }
  }

  // The original is a stranger's: it tries to end the report early.
  void an_original_cannot_break_out() {
    route_.original = Route::Original::full;
    const std::string first = make();
    const size_t at = first.find("boundary=\"") + 10;
    const std::string boundary = first.substr(at, first.find('"', at) - at);
    // A boundary that it might guess, and many like it.
    original_.body = "Subject: x\r\n\r\n--" + boundary + "--\r\n--" + boundary + "\r\nContent-Type: text/evil\r\n\r\n";
    const spool::Incoming bounce =
        make_bounce(original_, "id", {{"b@c", "5.0.0", "no", "", ""}}, route_, 5, wall_now());
    const Parsed report(bounce.body.to_string());
    CPPUNIT_ASSERT_EQUAL(3, report.count());
    CPPUNIT_ASSERT(report.parameter("boundary") != boundary);
    CPPUNIT_ASSERT(holds(report.content(2), "text/evil"));
  }

  void what_others_said_stays_in_its_line() {
    const Parsed report(
        make({{"bob@example.net", "5.0.0", "x", "evil.example", "550 no\r\nX-Evil: 1\r\n\r\nbody\x01\xFF"}}));
    CPPUNIT_ASSERT(holds(report.content(1), "Diagnostic-Code: smtp; 550 no??X-Evil:"));
    CPPUNIT_ASSERT(!holds(report.content(1), "\nX-Evil"));
    CPPUNIT_ASSERT(report.header("X-Evil").empty());
    const std::string text = make({{"a\r\nEvil: 1@b", "5.0.0", "why\nnot", "h\r\nEvil: 2", ""}});
    CPPUNIT_ASSERT(!holds(text, "\nEvil"));
  }

  void odd_originals() {
    route_.original = Route::Original::headers;
    original_.trace.clear();
    original_.body.clear();  // it cannot be read any more
    CPPUNIT_ASSERT(!holds(make(), "rfc822-headers"));
    for (const auto& [body, header] : std::vector<std::pair<std::string, std::string>>{
             {"\r\nno header\r\n", ""},
             {"only a header", "only a header\n"},
             {"A: b\r\n", "A: b\n"},
             {"A: b\r\n\r\n", "A: b\n"},
         }) {
      original_.body = body;
      CPPUNIT_ASSERT_EQUAL(header, Parsed(make()).content(2));
      CPPUNIT_ASSERT(!eight_bit_);
    }
    original_.body = "Subject: \xC3\xA9\r\n\r\n";
    const std::string text = make();
    CPPUNIT_ASSERT(eight_bit_ && holds(text, "Content-Transfer-Encoding: 8bit\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("Subject: \xC3\xA9\n"), Parsed(text).content(2));
    // A header of megabytes goes back cut.
    original_.body.clear();
    for (int i = 0; i < 60000; ++i) original_.body += "X-Long: and on and on and on\r\n";
    original_.body += "\r\nbody";
    CPPUNIT_ASSERT(make().size() < 300000);
  }

  void reasons_are_indented_throughout() {
    std::string long_one;
    for (int i = 0; i < 40; ++i) long_one += "word ";
    const Parsed report(make({{"a@b.example", "5.4.7", long_one, "mx.b.example", "451 " + long_one}}));
    std::istringstream lines(report.content(0));
    int seen = 0;
    for (std::string line; std::getline(lines, line);) {
      if (!holds(line, "word")) continue;
      ++seen;
      CPPUNIT_ASSERT(line.starts_with("    ") && line[4] != ' ' && line.size() <= 78);
    }
    CPPUNIT_ASSERT(seen >= 4);
  }

  void lines_are_short_and_end_properly() {
    const std::string text = make({{std::string(64, 'a') + "@" + std::string(180, 'b'), "5.0.0", std::string(600, 'w'),
                                    "host", std::string(512, 'x') + " " + std::string(300, 'y')}});
    size_t from = 0;
    for (size_t end; (end = text.find("\r\n", from)) != std::string::npos; from = end + 2) {
      CPPUNIT_ASSERT(end - from <= 998);
      CPPUNIT_ASSERT(text.substr(from, end - from).find_first_of("\r\n") == std::string::npos);
    }
    CPPUNIT_ASSERT_EQUAL(text.size(), from);
  }

  // RET, REQUIRETLS, BINARYMIME, and what it is a report of.
  void what_the_sender_said_decides() {
    const auto type = [&](Action action = Action::failed) {
      const spool::Incoming bounce =
          make_bounce(original_, "id", {{"b@c", "5.0.0", "no", "", "", UINT32_MAX}}, route_, 5, wall_now(), action);
      return Parsed(bounce.body.to_string()).type(2);
    };
    const std::string full = "message/rfc822", header = "text/rfc822-headers";
    route_.original = Route::Original::no;
    original_.envelope.ret = message::Ret::hdrs;
    CPPUNIT_ASSERT_EQUAL(header, type());
    original_.envelope.ret = message::Ret::full;
    CPPUNIT_ASSERT_EQUAL(full, type());
    for (const Action action : {Action::delayed, Action::delivered, Action::relayed})
      CPPUNIT_ASSERT_EQUAL(header, type(action));
    original_.envelope.require_tls = true;
    CPPUNIT_ASSERT_EQUAL(header, type());
    original_.envelope.require_tls = false;
    original_.envelope.body_type = message::BodyType::binary_mime;
    CPPUNIT_ASSERT_EQUAL(header, type());
  }

  void names_what_the_sender_called_it() {
    original_.envelope.envid = "a+2Bb+20\xC3\xA4";  // no xtext: left out
    original_.envelope.recipients[0].orcpt = "rfc822;x+2By@z";
    original_.envelope.recipients[1].orcpt = "utf-8;\\x{E4}@z\\x{A}";
    const std::vector<ReportLine> lines{{"bob@example.net", "5.0.0", "no", "", "", 0},
                                        {"carol@example.net", "5.0.0", "no", "", "", 1}};
    std::string status = Parsed(make(lines)).content(1);
    CPPUNIT_ASSERT(status.starts_with("Reporting-MTA"));
    CPPUNIT_ASSERT(holds(status, "\nOriginal-Recipient: rfc822; x+y@z\nFinal-Recipient: rfc822; bob@example.net\n"));
    CPPUNIT_ASSERT(holds(status, "\nOriginal-Recipient: utf-8; \\x{E4}@z\\x{A}\n"));
    original_.envelope.envid = "a+2Bb+20c";
    original_.envelope.recipients[0].orcpt = "no semicolon";
    status = Parsed(make(lines)).content(1);
    CPPUNIT_ASSERT(status.starts_with("Original-Envelope-Id: a+b c\nReporting-MTA"));
    CPPUNIT_ASSERT(holds(status, "\n\nFinal-Recipient: rfc822; bob"));
  }

  // RFC 6533.
  void in_utf8_where_the_message_is() {
    original_.envelope.smtputf8 = true;
    CPPUNIT_ASSERT_EQUAL(std::string("message/delivery-status"), Parsed(make()).type(1));  // nothing to tell in it
    original_.envelope.recipients[0].orcpt = "utf-8;\\x{E4}@z\\x{A}x";
    const std::vector<ReportLine> lines{{"b\xC3\xA4r@example.net", "5.0.0", "no", "mx", "550 \xC3\xA4\xFF", 0},
                                        {"carol@example.net", "5.0.0", "no", "mx", "550 \xC3\xA4", 1}};
    const std::string text = make(lines);
    CPPUNIT_ASSERT(eight_bit_);
    const Parsed report(text);
    CPPUNIT_ASSERT_EQUAL(std::string("message/global-delivery-status"), report.type(1));
    CPPUNIT_ASSERT_EQUAL(std::string("message/global-headers"), report.type(2));
    CPPUNIT_ASSERT(holds(text, "\r\nFinal-Recipient: utf-8; b\xC3\xA4r@example.net\r\n"));
    CPPUNIT_ASSERT(holds(text, "\r\nOriginal-Recipient: utf-8; \xC3\xA4@z?x\r\n"));
    CPPUNIT_ASSERT(holds(text, "\r\nDiagnostic-Code: smtp; 550 ???\r\n"));  // no UTF-8
    CPPUNIT_ASSERT(holds(text, "\r\nFinal-Recipient: rfc822; carol@example.net\r\n"));
    CPPUNIT_ASSERT(holds(text, "\r\nDiagnostic-Code: smtp; 550 \xC3\xA4\r\n"));
    CPPUNIT_ASSERT(holds(text, "charset=utf-8"));
    original_.envelope.ret = message::Ret::full;
    CPPUNIT_ASSERT_EQUAL(std::string("message/global"), Parsed(make(lines)).type(2));
    original_.envelope.sender = "\xC3\xA4@example.com";
    CPPUNIT_ASSERT(holds(make(lines), "\r\nTo: <\xC3\xA4@example.com>\r\n"));
  }

  void status_is_read_from_replies() {
    const auto is = [](const char* expected, int code, const char* text) {
      CPPUNIT_ASSERT_EQUAL(std::string(expected), status_of({code, text}));
    };
    is("5.1.1", 550, "5.1.1 no such user");
    is("5.1.1", 550, "550 5.1.1 no such user");
    is("5.0.0", 550, "no such user");
    is("5.0.0", 554, "4.1.1 says another class");
    is("5.0.0", 550, "");
    is("5.0.0", 550, "5.1 x");
    is("5.0.0", 550, "5.1.1.1 x");
    is("5.0.0", 550, "5..1 x");
    is("5.0.0", 550, "5.1234.1 x");
    is("4.2.2", 452, "4.2.2 full");
    is("4.0.0", 0, "");
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BounceTest);

}  // namespace
}  // namespace impulse::delivery
