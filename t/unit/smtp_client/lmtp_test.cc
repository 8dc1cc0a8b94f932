// LMTP's client half (RFC 2033): what differs from SMTP's.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_client_test;

namespace {

const std::string wire = "Received: here\r\nSubject: x\r\n\r\nhi\r\n.\r\n";

ClientSettings lmtp(TlsUse tls = TlsUse::if_available) {
  ClientSettings made = settings(tls);
  made.lmtp = true;
  return made;
}

// Greeted, and a message for some recipients sent up to its end; `rcpt` are the replies to them.
Dialogue& sent(Dialogue& talk, const std::vector<std::string>& recipients, const std::string& rcpt) {
  talk.server("220 lmtp\r\n").client("LHLO me.example\r\n");
  talk.server(Dialogue::ehlo({"PIPELINING"})).send(job(recipients));
  talk.out().bytes.clear();
  return talk.server("250 ok\r\n" + rcpt + "354 go\r\n").client(wire).state("body");
}

}  // namespace

class ClientLmtpTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ClientLmtpTest);
  CPPUNIT_TEST(one_reply_a_recipient);
  CPPUNIT_TEST(only_those_accepted_are_answered);
  CPPUNIT_TEST(one_chunk_has_as_many_replies);
  CPPUNIT_TEST(no_way_back_to_helo);
  CPPUNIT_TEST(lhlo_again_behind_tls);
  CPPUNIT_TEST(lost_between_replies);
  CPPUNIT_TEST(goes_away_between_replies);
  CPPUNIT_TEST(too_many_replies);
  CPPUNIT_TEST(nonsense_between_replies);
  CPPUNIT_TEST(data_accepted_without_recipients);
  CPPUNIT_TEST(each_reply_has_the_whole_time);
  CPPUNIT_TEST_SUITE_END();

  void one_reply_a_recipient() {
    for (const size_t cut : {0, 1, 7}) {
      Dialogue talk(cut, lmtp());
      sent(talk, {"a@x", "b@x", "c@x"}, "250 a\r\n250 b\r\n250 c\r\n");
      talk.server("250 2.1.5 first\r\n");
      CPPUNIT_ASSERT_EQUAL(size_t{0}, talk.jobs_done());
      talk.state("body").server("552 5.2.2 full\r\n450 4.2.0 later\r\n");
      talk.result({"250 2.1.5 first", "552 5.2.2 full", "450 4.2.0 later"});
      talk.client("RSET\r\n").server("250 ok\r\n").next(ClientNext::idle);

      // And with nothing but success the next one follows at once.
      talk.send(job({"a@x", "b@x"})).server("250 ok\r\n250 a\r\n250 b\r\n354 go\r\n");
      talk.out().bytes.clear();
      talk.server("250 one\r\n250 two\r\n").client("").next(ClientNext::idle).result({"250 one", "250 two"});
    }
  }

  void only_those_accepted_are_answered() {
    Dialogue talk(0, lmtp());
    sent(talk, {"a@x", "b@x", "c@x", "d@x"}, "250 a\r\n550 no b\r\n250 c\r\n451 no d\r\n");
    talk.server("250 for a\r\n").server("550 for c\r\n");
    talk.result({"250 for a", "550 no b", "550 for c", "451 no d"});
  }

  void one_chunk_has_as_many_replies() {
    Dialogue talk(0, lmtp());
    talk.server("220 lmtp\r\n").client("LHLO me.example\r\n");
    talk.server(Dialogue::ehlo({"PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME"}));
    Job binary = job({"a@x", "b@x", "c@x"});
    binary.body_type = message::BodyType::binary_mime;
    talk.send(binary);
    talk.server("250 ok\r\n250 a\r\n550 b\r\n250 c\r\n").state("body");
    CPPUNIT_ASSERT(talk.out().bytes.ends_with("BDAT 34 LAST\r\nReceived: here\r\nSubject: x\r\n\r\nhi\r\n"));
    talk.server("452 4.2.2 a\r\n").server("250 c\r\n").result({"452 4.2.2 a", "550 b", "250 c"});
  }

  void no_way_back_to_helo() {
    Dialogue talk(0, lmtp());
    talk.server("220 smtp\r\n").client("LHLO me.example\r\n").server("500 5.5.1 what\r\n");
    talk.client("QUIT\r\n").next(ClientNext::close).failure("500 5.5.1 what");
    CPPUNIT_ASSERT_EQUAL(0, talk.readies);
  }

  void lhlo_again_behind_tls() {
    Dialogue talk(0, lmtp(TlsUse::required));
    talk.server("220 lmtp\r\n").client("LHLO me.example\r\n").server(Dialogue::ehlo({"STARTTLS"}));
    talk.client("STARTTLS\r\n").server("220 go\r\n").next(ClientNext::start_tls);
    talk.secured().client("LHLO me.example\r\n").server(Dialogue::ehlo({})).next(ClientNext::idle);
  }

  // Who has a reply has it for good; the others none.
  void lost_between_replies() {
    Dialogue talk(0, lmtp());
    sent(talk, {"a@x", "b@x", "c@x"}, "250 a\r\n250 b\r\n250 c\r\n").server("250 first\r\n552 5.2.2 full\r\n250-hal");
    talk.session().lost("gone");
    talk.result({"250 first", "552 5.2.2 full", "0 gone"});
  }

  void goes_away_between_replies() {
    Dialogue talk(0, lmtp());
    sent(talk, {"a@x", "b@x"}, "250 a\r\n250 b\r\n").server("250 first\r\n").server("421 4.3.2 bye\r\n");
    talk.next(ClientNext::close).result({"250 first", "421 4.3.2 bye"});
  }

  void too_many_replies() {
    Dialogue together(0, lmtp());
    sent(together, {"a@x", "b@x"}, "250 a\r\n550 b\r\n").server("250 first\r\n250 more\r\n");
    together.result({"250 first", "550 b"}).next(ClientNext::close);
    together.failure("0 the server sent a reply before it was asked");
    Dialogue refused(0, lmtp());
    sent(refused, {"a@x"}, "250 a\r\n").server("552 full\r\n250 more\r\n");
    refused.client("").next(ClientNext::close).result({"552 full"});
    Dialogue later(0, lmtp());
    sent(later, {"a@x"}, "250 a\r\n").server("250 first\r\n").server("250 more\r\n");
    later.next(ClientNext::close).result({"250 first"}).failure("250 more");
  }

  void nonsense_between_replies() {
    Dialogue talk(0, lmtp());
    sent(talk, {"a@x", "b@x", "c@x"}, "250 a\r\n250 b\r\n250 c\r\n").server("250 first\r\n354 go on\r\n");
    talk.next(ClientNext::close);
    const auto nonsense = "0 nonsense in reply to the message: go on";
    talk.result({"250 first", nonsense, nonsense});
  }

  void data_accepted_without_recipients() {
    Dialogue talk(0, lmtp());
    talk.server("220 lmtp\r\n").server(Dialogue::ehlo({"PIPELINING"})).send(job({"a@x"}));
    talk.out().bytes.clear();
    talk.server("250 ok\r\n550 no\r\n354 go\r\n").client("").next(ClientNext::close).result({"550 no"});

    Dialogue right(0, lmtp());
    right.server("220 lmtp\r\n").server(Dialogue::ehlo({"PIPELINING"})).send(job({"a@x"}));
    right.out().bytes.clear();
    right.server("250 ok\r\n550 no\r\n503 none\r\n").client("RSET\r\n").result({"550 no"});
  }

  void each_reply_has_the_whole_time() {
    Dialogue talk(0, lmtp());
    sent(talk, {"a@x", "b@x"}, "250 a\r\n250 b\r\n");
    CPPUNIT_ASSERT(talk.out().deadline == ClientTimeouts{}.body);
    talk.out().deadline = Duration(0);
    talk.server("250 first\r\n");
    CPPUNIT_ASSERT(talk.out().deadline == ClientTimeouts{}.body);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ClientLmtpTest);
