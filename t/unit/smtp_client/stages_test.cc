// How far a session was, and what it had sent, when something was said or went wrong.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_client_test;

namespace {
const std::string wire = "Received: here\r\nSubject: x\r\n\r\nhi\r\n.\r\n";
}  // namespace

class ClientStagesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ClientStagesTest);
  CPPUNIT_TEST(stages_and_bytes_of_refusals);
  CPPUNIT_TEST(stages_of_a_session_that_breaks);
  CPPUNIT_TEST(each_message_has_its_own_bytes);
  CPPUNIT_TEST_SUITE_END();

  using Stage = telemetry::Stage;
  static void told(const Reply& reply, Stage stage, uint64_t bytes) {
    CPPUNIT_ASSERT_EQUAL(static_cast<int>(stage), static_cast<int>(reply.stage));
    CPPUNIT_ASSERT_EQUAL(bytes, reply.bytes);
  }

  void stages_and_bytes_of_refusals() {
    const uint64_t ehlo = std::string("EHLO me.example\r\n").size();
    const uint64_t mail = ehlo + std::string("MAIL FROM:<alice@example.org>\r\n").size();
    const uint64_t rcpt = mail + std::string("RCPT TO:<a@x>\r\n").size();
    const uint64_t both = rcpt + std::string("RCPT TO:<b@x>\r\n").size();
    const uint64_t data = both + std::string("DATA\r\n").size();
    const auto begun = [](Dialogue& talk) -> Dialogue& { return talk.greeted().send(job({"a@x", "b@x"})); };
    {
      Dialogue talk;
      begun(talk).server("550 you\r\n");
      for (const Reply& reply : talk.replies()) told(reply, Stage::after_mail, mail);
    }
    {
      Dialogue talk;
      begun(talk).server("250 ok\r\n").server("550 a\r\n").server("550 b\r\n");
      told(talk.replies()[0], Stage::after_rcpt, rcpt);
      told(talk.replies()[1], Stage::after_rcpt, both);
    }
    {
      Dialogue talk;
      begun(talk).server("250 ok\r\n").server("550 a\r\n").server("250 b\r\n").server("451 no\r\n");
      told(talk.replies()[0], Stage::after_rcpt, rcpt);
      told(talk.replies()[1], Stage::after_data, data);
    }
    {
      Dialogue talk;
      begun(talk)
          .server("250 ok\r\n")
          .server("250 a\r\n")
          .server("250 b\r\n")
          .server("354 go\r\n")
          .server("554 no\r\n");
      for (const Reply& reply : talk.replies()) told(reply, Stage::confirmation, data + wire.size());
    }
    Dialogue talk;
    talk.server("554 no\r\n");
    told(talk.failed_with(), Stage::banner, 0);
    Dialogue second;
    second.server("220 mx\r\n").server("421 no\r\n");
    told(second.failed_with(), Stage::after_ehlo, ehlo);
  }

  void stages_of_a_session_that_breaks() {
    Dialogue talk;
    talk.greeted().send(job()).server("250 ok\r\n").server("250 ok\r\n").server("354 go\r\n");
    const uint64_t all = talk.session().bytes();
    CPPUNIT_ASSERT(talk.session().stage() == Stage::confirmation && talk.session().stage(1) == Stage::body);
    talk.session().lost("gone", 7);
    told(talk.replies()[0], Stage::body, all - 7);

    Dialogue fresh;
    CPPUNIT_ASSERT(fresh.session().stage() == Stage::banner);
    fresh.session().lost("gone");
    told(fresh.failed_with(), Stage::banner, 0);

    Dialogue secured(0, settings(TlsUse::required));
    secured.greeted({"STARTTLS"});
    CPPUNIT_ASSERT(secured.session().stage() == Stage::after_starttls);
    secured.server("220 go\r\n");
    CPPUNIT_ASSERT(secured.session().stage() == Stage::tls_handshake);
  }

  // The greeting counts for the first message; a job that is given inside ready() begins at nothing.
  void each_message_has_its_own_bytes() {
    Dialogue talk;
    talk.on_ready(job()).on_ready(job());
    talk.greeted();
    const uint64_t greeting = std::string("EHLO me.example\r\n").size();
    const uint64_t mail = std::string("MAIL FROM:<alice@example.org>\r\n").size();
    CPPUNIT_ASSERT_EQUAL(greeting + mail, talk.session().bytes());
    talk.server("250 ok\r\n").server("250 ok\r\n").server("354 go\r\n").server("250 done\r\n");
    CPPUNIT_ASSERT_EQUAL(mail, talk.session().bytes());
    talk.server("550 you\r\n");
    told(talk.replies(1)[0], Stage::after_mail, mail);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ClientStagesTest);
