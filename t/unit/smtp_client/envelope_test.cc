// The envelope on its way to the next server: what MAIL and RCPT say by what it
// offers, and what is not sent at all.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_client_test;

namespace {
const std::string wire = "Received: here\r\nSubject: x\r\n\r\nhi\r\n.\r\n";
}  // namespace

class ClientEnvelopeTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ClientEnvelopeTest);
  CPPUNIT_TEST(mail_parameters);
  CPPUNIT_TEST(what_the_server_cannot_take);
  CPPUNIT_TEST(what_was_said_and_does_not_matter);
  CPPUNIT_TEST(dsn_parameters);
  CPPUNIT_TEST(other_parameters);
  CPPUNIT_TEST(utf8_that_has_another_form);
  CPPUNIT_TEST(require_tls);
  CPPUNIT_TEST(binary_mime);
  CPPUNIT_TEST(binary_mime_refused);
  CPPUNIT_TEST(addresses_that_cannot_be_sent);
  CPPUNIT_TEST_SUITE_END();

  void mail_parameters() {
    Dialogue talk;
    talk.greeted({"SIZE 1000000", "8bitmime", "SMTPUTF8"});
    CPPUNIT_ASSERT(talk.session().offers().size);
    Job plain = job({"a@x"}, ".a\nb");
    talk.send(plain).client("MAIL FROM:<alice@example.org> SIZE=23\r\n");
    talk.server("550 no\r\n").client("RSET\r\n").server("250 ok\r\n").result({"550 no"});

    Job declared = job({"a@x"}, "a\r\n");
    declared.trace = {};
    declared.body_type = message::BodyType::eight_bit_mime;
    talk.send(declared).client("MAIL FROM:<alice@example.org> SIZE=3 BODY=8BITMIME\r\n");
    talk.server("550 no\r\n").client("RSET\r\n").server("250 ok\r\n").result({"550 no"});

    Job undeclared = job({"a@x"}, "\xC3\xA4\r\n");
    undeclared.sender.clear();
    undeclared.trace = {};
    talk.send(undeclared).client("MAIL FROM:<> SIZE=4 BODY=8BITMIME\r\n");
    talk.server("550 no\r\n").client("RSET\r\n").server("250 ok\r\n").result({"550 no"});

    Job utf8 = job({"\xC3\xA4@x"}, "");
    utf8.trace = {};
    talk.send(utf8).client("MAIL FROM:<alice@example.org> SIZE=0 SMTPUTF8\r\n");
    talk.server("250 ok\r\n").client("RCPT TO:<\xC3\xA4@x>\r\n");
  }

  void what_the_server_cannot_take() {
    Dialogue talk;
    talk.greeted({"PIPELINING"});
    Job eight = job({"a@x", "b@x"}, "\xE4\r\n");
    eight.body_type = message::BodyType::eight_bit_mime;
    talk.send(eight).client("").next(ClientNext::idle);
    const std::string eight_text = "554 5.6.3 the message is 8BITMIME, which the next server does not take";
    talk.result({eight_text, eight_text});
    CPPUNIT_ASSERT_EQUAL(2, talk.readies);

    Job binary = job();
    binary.body_type = message::BodyType::binary_mime;
    talk.send(binary).client("");
    talk.result({"554 5.6.3 the message is BINARYMIME, which the next server does not take"});

    Job utf8 = job({"a@x"}, "Subject: \xC3\xA4\r\n\r\n");
    utf8.smtputf8 = true;
    talk.send(utf8).client("").result({"550 5.6.7 the message needs SMTPUTF8, which the next server does not take"});

    // Undeclared 8-bit content goes as it is.
    talk.send(job({"a@x"}, "\xE4\r\n")).client("MAIL FROM:<alice@example.org>\r\nRCPT TO:<a@x>\r\nDATA\r\n");
    talk.server("250 a\r\n250 b\r\n354 c\r\n").client("Received: here\r\n\xE4\r\n.\r\n");
  }

  // 8BITMIME, SMTPUTF8 were said at the door; what came needs neither.
  void what_was_said_and_does_not_matter() {
    Dialogue talk;
    talk.greeted();
    Job plain = job({"a@x"});
    plain.body_type = message::BodyType::eight_bit_mime;
    plain.smtputf8 = true;
    plain.ret = message::Ret::full;
    plain.envid = "id";
    plain.auth = "bob@x";
    plain.priority = 4;
    plain.deliver_by = {plain.now + std::chrono::hours(1), 'N', true};
    plain.recipients[0].notify = message::notify::never;
    plain.recipients[0].orcpt = "rfc822;b@x";
    talk.send(plain).client("MAIL FROM:<alice@example.org>\r\n");
    talk.server("250 ok\r\n").client("RCPT TO:<a@x>\r\n");
  }

  void dsn_parameters() {
    Dialogue talk;
    talk.greeted({"DSN", "PIPELINING", "SMTPUTF8"});
    Job one = job({"a+b=c@x", "d@x", "\xC3\xA4@x"});
    one.ret = message::Ret::hdrs;
    one.envid = "x+2By";
    one.recipients[0].notify = message::notify::success | message::notify::failure | message::notify::delay;
    one.recipients[1].notify = message::notify::never;
    one.recipients[1].orcpt = "x400;q+3Dr";
    talk.send(one).client(
        "MAIL FROM:<alice@example.org> SMTPUTF8 RET=HDRS ENVID=x+2By\r\n"
        "RCPT TO:<a+b=c@x> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+2Bb+3Dc@x\r\n"
        "RCPT TO:<d@x> NOTIFY=NEVER ORCPT=x400;q+3Dr\r\n"
        "RCPT TO:<\xC3\xA4@x> ORCPT=utf-8;\\x{E4}@x\r\nDATA\r\n");

    Dialogue old;
    old.greeted({"DSN"});
    Job two = job({"d@x"});
    two.ret = message::Ret::full;
    two.recipients[0].notify = message::notify::delay;
    two.recipients[0].orcpt = "utf-8;\xC3\xA4@x";
    old.send(two).client("MAIL FROM:<alice@example.org> RET=FULL\r\n");
    old.server("250 ok\r\n").client("RCPT TO:<d@x> NOTIFY=DELAY ORCPT=utf-8;\\x{E4}@x\r\n");

    // Whatever an envelope holds, it stays inside its parameter.
    Dialogue evil;
    evil.greeted({"DSN"});
    Job three = job({"d@x"});
    three.envid = "x\r\nQUIT";
    three.recipients[0].orcpt = "rfc822;x NOTIFY=NEVER";
    evil.send(three).client("MAIL FROM:<alice@example.org>\r\n");
    evil.server("250 ok\r\n").client("RCPT TO:<d@x>\r\n");
  }

  void other_parameters() {
    using std::chrono::seconds;
    Job one = job({"a@x"});
    one.auth = "b+c@x";
    one.priority = -3;
    one.now = WallTime(seconds(1000000));
    one.deliver_by = {one.now + seconds(90), 'R', true};
    Dialogue talk;
    talk.greeted({"AUTH PLAIN", "MT-PRIORITY", "DELIVERBY 60"});
    talk.send(one).client("MAIL FROM:<alice@example.org> AUTH=b+2Bc@x MT-PRIORITY=-3 BY=90;RT\r\n");
    talk.server("550 no\r\n").server("250 ok\r\n").client("RSET\r\n").done();

    one.auth = "<>";
    one.priority = 0;
    one.deliver_by = {one.now - seconds(5), 'N', false};
    talk.send(one).client("MAIL FROM:<alice@example.org> BY=-5;N\r\n");
    talk.server("550 no\r\n").server("250 ok\r\n").client("RSET\r\n").done();

    // Not in the time that is left; not with that server.
    one.deliver_by = {one.now + seconds(59), 'R', false};
    talk.send(one).client("").result({"554 5.4.7 the next server cannot deliver in the time that is left"});
    one.deliver_by.deadline = one.now;
    talk.send(one).client("").result({"554 5.4.7 the next server cannot deliver in the time that is left"});
    Dialogue other;
    one.deliver_by.deadline = one.now + seconds(90);
    other.greeted({"SIZE 100"}).send(one).client("");
    other.result({"554 5.3.3 the message needs DELIVERBY, which the next server does not take"});

    const std::string large(90, 'x');
    Job big = job({"a@x"}, large);
    other.send(big).client("").result({"552 5.3.4 the next server takes messages up to 100 octets, and this has 108"});
  }

  // A domain has A-labels, and our trace field can do without its clauses.
  void utf8_that_has_another_form() {
    Job one =
        job({"b@b\xC3\xBC"
             "cher.example"});
    one.sender =
        "a@b\xC3\xBC"
        "cher.example";
    one.smtputf8 = true;
    one.trace =
        "Received: from x\r\n\tby y id z\r\n\tfor <b@b\xC3\xBC"
        "cher.example>;\r\n\tnow\r\n";
    Dialogue talk;
    talk.greeted({"PIPELINING", "8BITMIME"}).send(one);
    talk.client("MAIL FROM:<a@xn--bcher-kva.example>\r\nRCPT TO:<b@xn--bcher-kva.example>\r\nDATA\r\n");
    talk.server("250 a\r\n250 b\r\n354 c\r\n");
    talk.client("Received: from x\r\n\tby y id z;\r\n\tnow\r\nSubject: x\r\n\r\nhi\r\n.\r\n");
    talk.server("250 ok\r\n").result({"250 ok"});

    one.sender = "\xC3\xBC@x";
    talk.send(one).client("").result({"550 5.6.7 the message needs SMTPUTF8, which the next server does not take"});

    Dialogue knows;
    one.sender = "a@x";
    knows.greeted({"PIPELINING", "8BITMIME", "SMTPUTF8"}).send(one);
    knows.client(
        "MAIL FROM:<a@x> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<b@b\xC3\xBC"
        "cher.example>\r\nDATA\r\n");
  }

  void require_tls() {
    Job one = job({"a@x"});
    one.require_tls = true;
    Dialogue plain;
    plain.greeted({"REQUIRETLS"}).send(one).client("");
    plain.result({"550 5.7.10 the message needs TLS (REQUIRETLS), and there is none with the next server"});
    for (const bool trusted : {false, true}) {
      for (const bool offered : {false, true}) {
        Dialogue talk;
        talk.greeted({"STARTTLS"}).client("STARTTLS\r\n").server("220 go\r\n");
        talk.session().tls_started(talk.out(), trusted);
        talk.client("EHLO me.example\r\n").server(offered ? "250-x\r\n250 REQUIRETLS\r\n" : "250 x\r\n").send(one);
        if (trusted && offered) {
          talk.client("MAIL FROM:<alice@example.org> REQUIRETLS\r\n");
        } else {
          talk.client("");
          talk.result({offered ? "450 4.7.5 the message needs REQUIRETLS, and the certificate of the next server is "
                                 "not verified"
                               : "550 5.7.30 the message needs REQUIRETLS, which the next server does not offer"});
        }
      }
    }
  }

  void binary_mime() {
    for (const bool pipelining : {false, true}) {
      Dialogue talk;
      std::vector<std::string> offers = {"SIZE", "CHUNKING", "BINARYMIME"};
      if (pipelining) offers.push_back("PIPELINING");
      const std::string_view content("\r\n.\r\n\0\n\r.", 9);
      Job one = job({"a@x", "b@x"}, content);
      one.body_type = message::BodyType::binary_mime;
      talk.greeted(offers).send(one);
      const std::string mail = "MAIL FROM:<alice@example.org> SIZE=25 BODY=BINARYMIME\r\n";
      const std::string chunk = "BDAT 25 LAST\r\nReceived: here\r\n" + std::string(content);
      if (pipelining) {
        talk.client(mail + "RCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\n");
        talk.server("250 a\r\n550 b\r\n").client("").server("250 c\r\n").client(chunk).state("body");
      } else {
        talk.client(mail).server("250 a\r\n").client("RCPT TO:<a@x>\r\n");
        talk.server("550 b\r\n").client("RCPT TO:<b@x>\r\n").server("250 c\r\n").client(chunk).state("body");
      }
      talk.server("250 done\r\n").client("").result({"550 b", "250 done"}).next(ClientNext::idle);
    }
  }

  void binary_mime_refused() {
    Job one = job({"a@x"});
    one.body_type = message::BodyType::binary_mime;
    Dialogue talk;
    talk.greeted({"CHUNKING", "BINARYMIME", "PIPELINING"});
    talk.send(one).server("250 a\r\n550 b\r\n");
    CPPUNIT_ASSERT(talk.out().bytes.ends_with("RCPT TO:<a@x>\r\nRSET\r\n"));  // no chunk for nobody
    talk.server("250 ok\r\n").result({"550 b"});
    // MAIL refused, RCPT taken: nothing may be sent.
    talk.send(one).server("550 a\r\n250 b\r\n");
    CPPUNIT_ASSERT(talk.out().bytes.ends_with("RCPT TO:<a@x>\r\nRSET\r\n"));
    talk.server("250 ok\r\n").result({"550 a"});
    talk.send(one).server("250 a\r\n250 b\r\n").server("554 5.6.0 no\r\n");
    CPPUNIT_ASSERT(talk.out().bytes.ends_with("hi\r\nRSET\r\n"));
    talk.server("250 ok\r\n").result({"554 5.6.0 no"}).next(ClientNext::idle);

    Dialogue half;
    half.greeted({"BINARYMIME"}).send(one).client("");
    half.result({"554 5.6.3 the message is BINARYMIME, which the next server does not take"});
  }

  // Whatever an envelope holds, it stays inside its command.
  void addresses_that_cannot_be_sent() {
    Dialogue talk;
    talk.greeted({"PIPELINING"});
    talk.send(
        job({"a@x\r\nRCPT TO:<evil@x>", "b@x> SIZE=1", "\"q <u> \\\" x\"@x", "c\n@x", "", "\"open@x", "\xC3\xA4@x"}));
    talk.client("MAIL FROM:<alice@example.org>\r\nRCPT TO:<\"q <u> \\\" x\"@x>\r\nDATA\r\n");
    talk.server("250 a\r\n250 b\r\n354 c\r\n").client(wire).server("250 ok\r\n");
    const std::string bad = "553 5.1.3 the recipient's address cannot be sent";
    talk.result({bad, bad, "250 ok", bad, bad, bad,
                 "553 5.6.7 the recipient's address needs SMTPUTF8, which the next server does not take"});
    Job sender = job();
    sender.sender = "x@y>\r\nQUIT";
    talk.send(sender).client("").result({"553 5.1.7 the sender's address cannot be sent"}).next(ClientNext::idle);
    talk.send(job({})).client("").result({});
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ClientEnvelopeTest);
