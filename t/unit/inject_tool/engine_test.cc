// ec_inject's protocols, without a socket: SMTP and LMTP in their variants, HTTP's requests and answers.
#include "console/inject/ecstream_engine.h"
#include "console/inject/filler.h"
#include "console/inject/http_engine.h"
#include "console/inject/smtp_engine.h"
#include "ecstream/answers.h"
#include "ecstream/frame.h"
#include "ecstream/hello.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <string_view>
#include <vector>

namespace impulse::ecinject {
namespace {

struct Notes final : EngineHost {
  std::vector<Settled> done;
  std::string refusals;  // "550:1/2 " code, messages, recipients
  std::string failure;
  std::string dismissal;
  bool fatal = false;
  void settled(const Settled& settled) override { done.push_back(settled); }
  void refused(int code, uint64_t messages, uint64_t recipients, std::string_view) override {
    refusals += fmt::format("{}:{}/{} ", code, messages, recipients);
  }
  void failed(std::string why, bool worse) override {
    failure = std::move(why);
    fatal = worse;
  }
  void dismissed(std::string why) override { dismissal = std::move(why); }
  uint64_t micros() const override { return 1; }
};

Mail mail_of(std::vector<std::string> recipients) {
  static const Filler filler(100);
  Mail mail;
  mail.sender = "s@x";
  mail.recipients = std::move(recipients);
  mail.head = "Subject: x\r\n\r\n";
  mail.subject = "x";
  mail.filler = &filler;
  return mail;
}

class EngineTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(EngineTest);
  CPPUNIT_TEST(smtp_pipelined);
  CPPUNIT_TEST(smtp_step_by_step);
  CPPUNIT_TEST(smtp_mail_refused_in_a_pipeline);
  CPPUNIT_TEST(smtp_nobody_taken_but_354);
  CPPUNIT_TEST(smtp_bdat);
  CPPUNIT_TEST(lmtp_replies_for_each);
  CPPUNIT_TEST(smtp_421_in_the_middle);
  CPPUNIT_TEST(smtp_lost);
  CPPUNIT_TEST(refusals_of_what_goes_again);
  CPPUNIT_TEST(smtp_no_starttls);
  CPPUNIT_TEST(smtp_injected_behind_starttls);
  CPPUNIT_TEST(stream_of_an_earlier_run);
  CPPUNIT_TEST(stream_told_to_go);
  CPPUNIT_TEST(stream_let_go);
  CPPUNIT_TEST(stream_without_window);
  CPPUNIT_TEST(http_answers_however_cut);
  CPPUNIT_TEST(http_no_answers);
  CPPUNIT_TEST(http_requests);
  CPPUNIT_TEST(http_numbers);
  CPPUNIT_TEST(http_lost);
  CPPUNIT_TEST(http_counts);
  CPPUNIT_TEST(http_still_under_way);
  CPPUNIT_TEST_SUITE_END();

  Notes notes_;
  Output out_;

 public:
  void setUp() override {
    notes_ = {};
    out_ = {};
  }

 private:
  // What was said since.
  std::string said() {
    std::string text = std::move(out_.bytes);
    out_.begin += text.size();
    out_.bytes.clear();
    return text;
  }
  void greet(SmtpEngine& engine, std::string_view offers) {
    engine.start(true, out_);
    engine.feed("220 hi\r\n", out_);
    said();
    engine.feed(std::string("250-me\r\n") + std::string(offers) + "250 OK\r\n", out_);
    CPPUNIT_ASSERT_MESSAGE(notes_.failure, engine.wants(out_));
  }
  void greet_and_send(SmtpEngine& engine, const Mail& mail) {
    greet(engine, "250-PIPELINING\r\n");
    engine.send(mail, out_);
    said();
  }
  static SmtpSettings settings() {
    SmtpSettings settings;
    settings.helo = "me.example";
    return settings;
  }

  void smtp_pipelined() {
    const SmtpSettings set = settings();
    SmtpEngine engine(set, notes_);
    greet(engine, "250-PIPELINING\r\n250-SIZE 1000\r\n");
    const Mail mail = mail_of({"a@x", "b@x"});
    engine.send(mail, out_);
    CPPUNIT_ASSERT_EQUAL(std::string("MAIL FROM:<s@x> SIZE=14\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n"), said());
    CPPUNIT_ASSERT(!engine.wants(out_) && engine.pending() == 1);
    engine.feed("250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n", out_);
    CPPUNIT_ASSERT_EQUAL(std::string("Subject: x\r\n\r\n.\r\n"), said());
    engine.feed("250 ok\r\n", out_);
    CPPUNIT_ASSERT_EQUAL(std::string("550:0/1 "), notes_.refusals);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, notes_.done.size());
    CPPUNIT_ASSERT(notes_.done[0].messages == 1 && notes_.done[0].recipients == 1 && notes_.done[0].bytes == 14);
    CPPUNIT_ASSERT(engine.wants(out_) && !engine.awaits());
    engine.quit(out_);
    CPPUNIT_ASSERT_EQUAL(std::string("QUIT\r\n"), said());
    CPPUNIT_ASSERT(engine.pending() == 0 && engine.awaits());
    engine.feed("221 bye\r\n", out_);
    CPPUNIT_ASSERT(out_.close && notes_.failure.empty());
  }
  void smtp_step_by_step() {
    const SmtpSettings set = settings();
    SmtpEngine engine(set, notes_);
    greet(engine, "");
    const Mail mail = mail_of({"a@x", "b@x"});
    engine.send(mail, out_);
    CPPUNIT_ASSERT_EQUAL(std::string("MAIL FROM:<s@x>\r\n"), said());
    engine.feed("250 ok\r\n", out_);
    CPPUNIT_ASSERT_EQUAL(std::string("RCPT TO:<a@x>\r\n"), said());
    engine.feed("550 no\r\n", out_);
    CPPUNIT_ASSERT_EQUAL(std::string("RCPT TO:<b@x>\r\n"), said());
    engine.feed("551 no\r\n", out_);
    CPPUNIT_ASSERT_EQUAL(std::string("RSET\r\n"), said());
    CPPUNIT_ASSERT_EQUAL(std::string("550:0/1 551:0/1 551:1/0 "), notes_.refusals);
    CPPUNIT_ASSERT(engine.pending() == 0 && engine.awaits());
    engine.feed("250 ok\r\n", out_);
    CPPUNIT_ASSERT(engine.wants(out_) && !engine.awaits());
  }
  void smtp_mail_refused_in_a_pipeline() {
    const SmtpSettings set = settings();
    const Mail mail = mail_of({"a@x"});
    SmtpEngine engine(set, notes_);
    greet_and_send(engine, mail);
    engine.feed("451 later\r\n503 no\r\n503 no\r\n", out_);
    CPPUNIT_ASSERT_EQUAL(std::string("451:1/1 "), notes_.refusals);
    CPPUNIT_ASSERT_EQUAL(std::string("RSET\r\n"), said());
  }
  void smtp_nobody_taken_but_354() {
    const SmtpSettings set = settings();
    const Mail mail = mail_of({"a@x"});
    SmtpEngine engine(set, notes_);
    greet_and_send(engine, mail);
    engine.feed("250 ok\r\n550 no\r\n354 go\r\n", out_);
    CPPUNIT_ASSERT_EQUAL(std::string(".\r\n"), said());
    engine.feed("554 nobody\r\n", out_);
    CPPUNIT_ASSERT_EQUAL(std::string("550:0/1 550:1/0 "), notes_.refusals);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, notes_.done.size());
  }
  void smtp_bdat() {
    SmtpSettings set = settings();
    set.bdat = true;
    SmtpEngine engine(set, notes_);
    greet(engine, "250-PIPELINING\r\n250-CHUNKING\r\n");
    const Mail mail = mail_of({"a@x"});
    engine.send(mail, out_);
    CPPUNIT_ASSERT_EQUAL(std::string("MAIL FROM:<s@x>\r\nRCPT TO:<a@x>\r\nBDAT 14 LAST\r\nSubject: x\r\n\r\n"), said());
    engine.feed("250 ok\r\n250 ok\r\n250 ok\r\n", out_);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, notes_.done.at(0).messages);
    SmtpEngine other(set, notes_);
    other.start(true, out_);
    other.feed("220 hi\r\n250 me\r\n", out_);
    CPPUNIT_ASSERT(notes_.fatal && notes_.failure.contains("CHUNKING"));
  }
  void lmtp_replies_for_each() {
    for (const bool bdat : {false, true}) {
      setUp();
      SmtpSettings set = settings();
      set.lmtp = true;
      set.bdat = bdat;
      SmtpEngine engine(set, notes_);
      greet(engine, "250-PIPELINING\r\n250-CHUNKING\r\n");
      const Mail mail = mail_of({"a@x", "b@x", "c@x"});
      engine.send(mail, out_);
      engine.feed("250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n", out_);
      if (!bdat) engine.feed("354 go\r\n", out_);
      CPPUNIT_ASSERT(said().ends_with(bdat ? "BDAT 14 LAST\r\nSubject: x\r\n\r\n" : "Subject: x\r\n\r\n.\r\n"));
      engine.feed("250 ok\r\n", out_);
      CPPUNIT_ASSERT(notes_.done.empty());
      engine.feed("452 full\r\n", out_);
      CPPUNIT_ASSERT_EQUAL(std::string("550:0/1 452:0/1 "), notes_.refusals);
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, notes_.done.at(0).recipients);
      CPPUNIT_ASSERT(engine.wants(out_));
    }
  }
  void smtp_421_in_the_middle() {
    const SmtpSettings set = settings();
    SmtpEngine engine(set, notes_);
    greet(engine, "250-PIPELINING\r\n");
    const Mail mail = mail_of({"a@x", "b@x"});
    engine.send(mail, out_);
    engine.feed("250 ok\r\n250 ok\r\n421 bye\r\n", out_);
    CPPUNIT_ASSERT_EQUAL(std::string("421:1/2 "), notes_.refusals);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, notes_.done.size());
    CPPUNIT_ASSERT(out_.close && !notes_.fatal && notes_.failure == "421 bye");
    engine.lost(out_);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, notes_.done.size());
  }
  void smtp_lost() {
    for (const bool left : {false, true}) {
      setUp();
      const SmtpSettings set = settings();
      SmtpEngine engine(set, notes_);
      greet(engine, "250-PIPELINING\r\n");
      const Mail mail = mail_of({"a@x"});
      engine.send(mail, out_);
      engine.feed("250 ok\r\n250 ok\r\n354 go\r\n", out_);
      out_.sent = out_.bytes.size() - (left ? 0 : 1);
      engine.lost(out_);
      CPPUNIT_ASSERT((notes_.done.at(0).how == Settled::How::unknown) == left);
    }
  }
  void refusals_of_what_goes_again() {
    SmtpSettings set = settings();
    set.lmtp = true;
    SmtpEngine engine(set, notes_);
    const Mail mail = mail_of({"a@x", "b@x"});
    for (int i = 0; i < 2; ++i) {  // a recipient is refused, and the connection breaks
      greet(engine, "250-PIPELINING\r\n");
      engine.send(mail, out_);
      engine.feed("250 ok\r\n550 no\r\n", out_);
      engine.lost(out_);
    }
    CPPUNIT_ASSERT(notes_.refusals.empty() && notes_.done.size() == 2);
    greet(engine, "250-PIPELINING\r\n");
    engine.send(mail, out_);
    engine.feed("250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n250 ok\r\n", out_);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, notes_.done.size());
    CPPUNIT_ASSERT_EQUAL(std::string("550:0/1 "), notes_.refusals);
  }
  void smtp_no_starttls() {
    SmtpSettings set = settings();
    set.starttls = true;
    SmtpEngine engine(set, notes_);
    engine.start(false, out_);
    engine.feed("220 hi\r\n250 me\r\n", out_);
    CPPUNIT_ASSERT(notes_.fatal && out_.close && !engine.ready());
  }
  void smtp_injected_behind_starttls() {
    SmtpSettings set = settings();
    set.starttls = true;
    SmtpEngine engine(set, notes_);
    engine.start(false, out_);
    engine.feed("220 hi\r\n250-me\r\n250 STARTTLS\r\n220 go\r\n250 injected\r\n", out_);
    CPPUNIT_ASSERT(notes_.fatal && out_.close);
  }

  void hear(EcstreamEngine& engine, ecstream::FrameType type, uint8_t flags, uint64_t sequence,
            std::string_view payload) {
    std::string bytes;
    ecstream::append_frame(bytes, {type, flags, sequence, payload}, false);
    engine.feed(bytes, out_);
    said();
  }
  // A server that has three messages of the stream, of which it refused the second.
  void resume(EcstreamEngine& engine, uint32_t window) {
    ecstream::Hello hello;
    hello.window = window;
    engine.start(true, out_);
    hear(engine, ecstream::FrameType::hello, 0, 0, ecstream::encode(hello, ecstream::From::server));
    hear(engine, ecstream::FrameType::nak, ecstream::flag::nak_repeated, 2,
         ecstream::encode(ecstream::Nak{.code = 550, .enhanced = "5.1.1", .text = "Nobody"}));
    hear(engine, ecstream::FrameType::opened, ecstream::flag::opened_known, 3, "");
    CPPUNIT_ASSERT_MESSAGE(notes_.failure, engine.ready());
  }
  void stream_of_an_earlier_run() {
    const StreamSettings set;
    EcstreamEngine engine(set, "s", true, notes_);
    resume(engine, 10);
    CPPUNIT_ASSERT(engine.resumed() == 3 && engine.refused_before() == 1 && notes_.done.empty());
    CPPUNIT_ASSERT_EQUAL(std::string("550:1/1 "), notes_.refusals);
    CPPUNIT_ASSERT(engine.wants(out_) && !engine.awaits());
    engine.send(mail_of({"a@x"}), out_);
    hear(engine, ecstream::FrameType::ack, 0, 4, "");
    CPPUNIT_ASSERT(notes_.done.at(0).messages == 1 && engine.pending() == 0);
  }
  void stream_told_to_go() {
    for (const auto code : {ecstream::GoAway::taken_over, ecstream::GoAway::shutdown}) {
      setUp();
      const StreamSettings set;
      EcstreamEngine engine(set, "s", true, notes_);
      resume(engine, 10);
      engine.send(mail_of({"a@x"}), out_);
      hear(engine, ecstream::FrameType::goaway, 0, 0, ecstream::encode_farewell(code, "Go"));
      CPPUNIT_ASSERT(!engine.wants(out_) && engine.awaits() && notes_.failure.empty() && notes_.dismissal.empty());
      engine.lost(out_);
      const bool for_good = code == ecstream::GoAway::taken_over;
      CPPUNIT_ASSERT((for_good ? notes_.dismissal : notes_.failure).ends_with(" Go"));
      CPPUNIT_ASSERT((for_good ? notes_.failure : notes_.dismissal).empty());
      CPPUNIT_ASSERT_EQUAL(size_t{1}, engine.pending());  // for another connection, or give_up()
    }
  }
  void stream_let_go() {
    const StreamSettings set;
    EcstreamEngine engine(set, "s", true, notes_);
    resume(engine, 10);
    CPPUNIT_ASSERT(!engine.let_go());
    hear(engine, ecstream::FrameType::goaway, 0, 0, ecstream::encode_farewell(ecstream::GoAway::idle, "Idle"));
    CPPUNIT_ASSERT(engine.let_go() && !engine.wants(out_));
  }
  void stream_without_window() {
    const StreamSettings set;
    EcstreamEngine engine(set, "s", true, notes_);
    resume(engine, 0);
    CPPUNIT_ASSERT(!engine.wants(out_) && engine.pending() == 0 && engine.awaits());
  }

  static constexpr std::string_view answers =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 503 No\r\n"
      "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\nHTTP/1.1 204 "
      "x\r\n\r\n";

  void http_answers_however_cut() {
    for (size_t step = 1; step <= answers.size(); ++step) {
      HttpResponseReader reader;
      std::string found;
      for (size_t at = 0; at < answers.size(); at += step) {
        std::string_view bytes = answers.substr(at, step);
        do {
          if (reader.take(bytes))
            found += fmt::format("{} {}{} ", reader.status(), reader.body(), reader.closes() ? "!" : "");
          CPPUNIT_ASSERT_MESSAGE(std::string(reader.error()), reader.error().empty());
        } while (!bytes.empty());
      }
      CPPUNIT_ASSERT_EQUAL(std::string("200 hello 503 abcde! 204  "), found);
    }
    HttpResponseReader reader;
    std::string_view bytes = "HTTP/1.0 200 OK\r\n\r\nall of it";
    CPPUNIT_ASSERT(!reader.take(bytes) && bytes.empty() && reader.finish());
    CPPUNIT_ASSERT_EQUAL(std::string("all of it"), reader.body());
  }
  void http_no_answers() {
    for (const std::string bad : {"220 smtp\r\n", "HTTP/2 200 OK\r\n", "HTTP/1.1 20 x\r\n", "HTTP/1.1 999 x\r\n",
                                  "HTTP/1.1 200 OK\r\nno field\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n",
                                  "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
                                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n",
                                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"}) {
      HttpResponseReader reader;
      std::string_view bytes = bad;
      CPPUNIT_ASSERT_MESSAGE(bad, !reader.take(bytes) && !reader.error().empty());
    }
    HttpResponseReader reader;
    const std::string endless = "HTTP/1.1 200 OK\r\nX: " + std::string(100000, 'x');
    std::string_view bytes = endless;
    CPPUNIT_ASSERT(!reader.take(bytes) && !reader.error().empty());
  }

  static std::string request(const Mail& mail, HttpSettings settings) {
    settings.host = "h:80";
    std::string body;
    std::string out;
    append_request(mail, settings, body, out);
    return out;
  }
  void http_requests() {
    const Mail mail = mail_of({"a@x", "b@x"});
    HttpSettings set;
    set.authorization = "Bearer k";
    set.key_prefix = "run";
    CPPUNIT_ASSERT_EQUAL(
        std::string("POST /api/impulse/v1/messages HTTP/1.1\r\nHost: h:80\r\nUser-Agent: ec_inject\r\nContent-Type: "
                    "message/rfc822\r\nContent-Length: 14\r\nAuthorization: Bearer k\r\nIdempotency-Key: run-0\r\n"
                    "X-Envelope-From: <s@x>\r\nX-Envelope-To: a@x, b@x\r\n\r\nSubject: x\r\n\r\n"),
        request(mail, set));
    set = {};
    set.api = Api::transmissions;
    CPPUNIT_ASSERT(request(mail, set).ends_with(
        "\r\n\r\n{\"return_path\":\"s@x\",\"recipients\":[{\"address\":\"a@x\"},{\"address\":"
        "\"b@x\"}],\"content\":{\"from\":\"s@x\",\"subject\":\"x\",\"text\":\"\\r\\n\"}}"));
    set.api = Api::inject;
    Mail stored = mail;
    stored.stored = std::make_shared<Text>(Text{"A: \"\\\t\x01\r\n\r\n", false, true, false});
    CPPUNIT_ASSERT(
        request(stored, set)
            .ends_with("\"template_dialect\":\"Static\",\"content\":\"A: \\\"\\\\\\u0009\\u0001\\r\\n\\r\\n\"}"));
    set.api = Api::messages;
    for (const char* odd : {"a,b@x", "\"a\"@x", "a:b@x"})
      CPPUNIT_ASSERT(request(mail_of({odd}), set).contains("Content-Type: application/json\r\n"));
    Mail many = mail_of({});
    for (int i = 0; i < 2000; ++i) many.recipients.push_back("user@x");
    CPPUNIT_ASSERT(request(many, set).contains("Content-Type: application/json\r\n"));
    CPPUNIT_ASSERT(request(many, set).ends_with("\"user@x\"],\"message\":\"Subject: x\\r\\n\\r\\n\"}"));
  }
  void http_numbers() {
    const std::string json =
        R"({"results": {"x": "\"total\":7", "total": 12, "none": "x", "big": 99999999999999999999}})";
    CPPUNIT_ASSERT_EQUAL(uint64_t{12}, number_in(json, "total"));
    for (const char* name : {"none", "big", "absent"}) CPPUNIT_ASSERT_EQUAL(uint64_t{0}, number_in(json, name));
  }
  // How one answer to a request for `asked` recipients is taken.
  std::string taken_as(const HttpSettings& set, size_t asked, const std::string& body,
                       std::string_view head = "200 OK") {
    setUp();
    HttpEngine engine(set, notes_);
    engine.start(true, out_);
    const Mail mail = mail_of(std::vector<std::string>(asked, "a@x"));
    engine.send(mail, out_);
    engine.feed(fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n\r\n{}", head, body.size(), body), out_);
    const Settled& settled = notes_.done.at(0);
    CPPUNIT_ASSERT_EQUAL(notes_.failure.empty(), engine.wants(out_));
    if (settled.how == Settled::How::answered) return fmt::format("{}{}", notes_.refusals, settled.messages);
    return fmt::format("{}{}{}", notes_.refusals, settled.pause, out_.close ? " close" : "");
  }
  void http_counts() {
    HttpSettings set;
    CPPUNIT_ASSERT_EQUAL(std::string("1"), taken_as(set, 2, R"({"id":"x"})"));
    for (const char* bad : {"", "<html>", "{}", R"({"id":""})", R"({"id":"x)"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(bad, std::string("0 close"), taken_as(set, 1, bad));
    set.api = Api::transmissions;
    const std::string some = R"({"results":{"total_rejected_recipients":1,"total_accepted_recipients":2}})";
    CPPUNIT_ASSERT_EQUAL(std::string("200:1/1 2"), taken_as(set, 3, some));
    CPPUNIT_ASSERT_EQUAL(std::string("0 close"), taken_as(set, 4, some));
    CPPUNIT_ASSERT_EQUAL(std::string("0 close"), taken_as(set, 2, some));
    set.api = Api::inject;
    CPPUNIT_ASSERT_EQUAL(std::string("200:1/1 2"), taken_as(set, 3, R"({"success_count":2,"fail_count":1})"));
    CPPUNIT_ASSERT_EQUAL(std::string("0 close"), taken_as(set, 3, R"({"success_count":4,"fail_count":0})"));
    set.key_prefix = "run";  // told again of what was carried out before
    const std::string again = R"({"results":{"total_accepted_recipients":2,"total_rejected_recipients":0,"id":"1"}})";
    CPPUNIT_ASSERT_EQUAL(std::string("200:1/1 2"), taken_as(set, 3, again));
  }
  void http_still_under_way() {
    HttpSettings set;
    CPPUNIT_ASSERT_EQUAL(std::string("409:1/1 0"), taken_as(set, 1, "{}", "409 Conflict"));
    set.key_prefix = "run";
    CPPUNIT_ASSERT_EQUAL(std::string("1000000"), taken_as(set, 1, "{}", "409 Conflict"));
    CPPUNIT_ASSERT_EQUAL(std::string("7000000"), taken_as(set, 1, "{}", "409 Conflict\r\nRetry-After: 7"));
    CPPUNIT_ASSERT_EQUAL(std::string("3600000000"), taken_as(set, 1, "{}", "409 Conflict\r\nRetry-After: 99999"));
  }
  void http_lost() {
    HttpSettings set;
    HttpEngine engine(set, notes_);
    engine.start(true, out_);
    const Mail mail = mail_of({"a@x"});
    engine.send(mail, out_);
    engine.lost(out_);
    CPPUNIT_ASSERT(notes_.done.at(0).how == Settled::How::unsent);
    engine.start(true, out_);
    engine.send(mail, out_);
    out_.sent = out_.bytes.size();
    engine.feed("HTTP/1.1 200 OK\r\nContent-Le", out_);
    engine.lost(out_);
    CPPUNIT_ASSERT(notes_.done.at(1).how == Settled::How::unknown);
    set.authorization = "Basic x";
    engine.start(false, out_);
    CPPUNIT_ASSERT(notes_.fatal && !engine.wants(out_));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(EngineTest);

}  // namespace
}  // namespace impulse::ecinject
