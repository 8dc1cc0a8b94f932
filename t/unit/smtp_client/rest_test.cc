// Bodies that come in pieces: on the wire they are one, and nothing ends before they do.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_client_test;

namespace {

constexpr std::string_view body = "Subject: x\r\n\r\n.dot\r\na\nb\r\nlast\r\n";
const std::string mail = "MAIL FROM:<alice@example.org>\r\n";
const std::string rcpt = "RCPT TO:<bob@example.net>\r\n";

}  // namespace

class ClientRestTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ClientRestTest);
  CPPUNIT_TEST(any_cutting_gives_the_same);
  CPPUNIT_TEST(size_and_eight_bits_are_of_the_whole);
  CPPUNIT_TEST(one_chunk_of_bdat);
  CPPUNIT_TEST(of_lmtp);
  CPPUNIT_TEST(of_lmtp_one_refusal_is_one_recipients);
  CPPUNIT_TEST(not_asked_for_what_nobody_takes);
  CPPUNIT_TEST(refused_before_its_end);
  CPPUNIT_TEST(taken_before_its_end);
  CPPUNIT_TEST(lost_before_its_end);
  CPPUNIT_TEST(stages);
  CPPUNIT_TEST(what_has_not_left_is_not_counted);
  CPPUNIT_TEST(the_next_message_is_its_own);
  CPPUNIT_TEST_SUITE_END();

  static Dialogue& at_data(Dialogue& talk, const Job& job) {
    talk.greeted({"PIPELINING"}).send(job).client(mail + rcpt + "DATA\r\n");
    return talk.server("250 ok\r\n250 ok\r\n354 go\r\n");
  }

  void any_cutting_gives_the_same() {
    Dialogue whole;
    at_data(whole, job({"bob@example.net"}, body)).wants_more(false);
    const std::string wire = std::exchange(whole.out().bytes, {});
    for (size_t kept = 0; kept < body.size(); ++kept)
      for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, body.size()}) {
        Dialogue talk;
        at_data(talk, job_with_rest(body, kept));
        for (std::string_view rest = body.substr(kept); !rest.empty(); rest.remove_prefix(std::min(piece, rest.size())))
          talk.more(rest.substr(0, piece));
        talk.wants_more(false).client(wire).server("250 taken\r\n").result({"250 taken"});
        CPPUNIT_ASSERT_EQUAL(2, talk.readies);
      }
  }

  void size_and_eight_bits_are_of_the_whole() {
    constexpr std::string_view eight = "Subject: x\r\n\r\nabc\n\xC3\xA4";
    Job job = job_with_rest(eight, 5);
    const uint64_t size = measure(job.trace, eight).size;
    Dialogue talk;
    talk.greeted({"SIZE", "8BITMIME"})
        .send(job)
        .client(fmt::format("MAIL FROM:<alice@example.org> SIZE={} BODY=8BITMIME\r\n", size));
    Dialogue small;
    small.greeted({fmt::format("SIZE {}", size - 1)}).send(job).client("");
    CPPUNIT_ASSERT(small.done()[0].starts_with("552 5.3.4"));
  }

  void one_chunk_of_bdat() {
    Job job = job_with_rest("a\nb\r.c", 3);
    job.body_type = message::BodyType::binary_mime;
    Dialogue talk;
    talk.greeted({"PIPELINING", "CHUNKING", "BINARYMIME"}).send(job);
    talk.client("MAIL FROM:<alice@example.org> BODY=BINARYMIME\r\n" + rcpt).server("250 ok\r\n250 ok\r\n");
    talk.client("BDAT 22 LAST\r\nReceived: here\r\na\nb").more("\r.").more("c").wants_more(false).client("\r.c");
    talk.server("250 taken\r\n").result({"250 taken"});
  }

  static ClientSettings lmtp() {
    ClientSettings with = settings();
    with.lmtp = true;
    return with;
  }

  void of_lmtp() {
    Dialogue talk(0, lmtp());
    talk.server("220 x\r\n").client("LHLO me.example\r\n").server(Dialogue::ehlo({"PIPELINING"}));
    talk.send(job_with_rest(body, 9, {"a@x", "b@x"})).server("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    talk.more(body.substr(9)).wants_more(false);
    talk.server("250 a\r\n").server("452 b\r\n").result({"250 a", "452 b"});
  }

  // Its mailbox may be full; of the others nothing was said.
  void of_lmtp_one_refusal_is_one_recipients() {
    Dialogue talk(0, lmtp());
    talk.server("220 x\r\n").client("LHLO me.example\r\n").server(Dialogue::ehlo({"PIPELINING"}));
    talk.send(job_with_rest(body, 9, {"a@x", "b@x", "c@x"}));
    talk.server("250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n").more("xyz").server("552 5.2.2 full\r\n");
    no_end(talk);
    talk.result({"552 5.2.2 full", "550 no", "0 the server answered before the message had ended: 5.2.2 full"});
  }

  void not_asked_for_what_nobody_takes() {
    Dialogue talk;
    talk.greeted({"PIPELINING"}).send(job_with_rest(body, 3)).server("250 ok\r\n550 no\r\n354 go\r\n");
    talk.wants_more(false).client(mail + rcpt + "DATA\r\n.\r\n");
    talk.server("554 none\r\n").client("RSET\r\n").result({"550 no"});
    Dialogue refused;
    refused.greeted().send(job_with_rest(body, 3)).server("250 ok\r\n").server("250 ok\r\n").server("451 no\r\n");
    refused.wants_more(false).result({"451 no"});
  }

  // Nothing may follow that makes a message of what is there.
  static void no_end(Dialogue& talk) {
    talk.next(ClientNext::close).wants_more(false);
    CPPUNIT_ASSERT(!talk.out().bytes.ends_with("\r\n"));
    const size_t sent = talk.out().bytes.size();
    talk.session().more("more", talk.out());
    CPPUNIT_ASSERT_EQUAL(sent, talk.out().bytes.size());
  }

  void refused_before_its_end() {
    for (const std::string_view reply : {"552 too large", "421 not now"}) {
      Dialogue talk;
      at_data(talk, job_with_rest(body, 3)).more("xyz").server(std::string(reply) + "\r\n");
      no_end(talk);
      talk.result({std::string(reply)});
    }
  }

  void taken_before_its_end() {
    for (const std::string_view reply : {"250 fine", "354 go on"}) {
      Dialogue talk;
      at_data(talk, job_with_rest(body, 3)).more("xyz").server(std::string(reply) + "\r\n");
      no_end(talk);
      CPPUNIT_ASSERT(talk.done()[0].starts_with("0 the server answered before the message had ended"));
    }
  }

  void lost_before_its_end() {
    Dialogue talk;
    at_data(talk, job_with_rest(body, 3)).more("xyz").session().lost("the body cannot be read");
    talk.result({"0 the body cannot be read"});
    talk.session().more("more", talk.out());
    CPPUNIT_ASSERT(talk.out().bytes.ends_with("xyz"));
  }

  void stages() {
    Dialogue talk;
    at_data(talk, job_with_rest(body, 3));
    CPPUNIT_ASSERT(talk.session().stage() == telemetry::Stage::body);
    const uint64_t before = talk.session().bytes();
    talk.more("xyz");
    CPPUNIT_ASSERT_EQUAL(before + 3, talk.session().bytes());
    CPPUNIT_ASSERT(talk.out().deadline == Duration(0));  // of the body, and it counts on
    talk.more(body.substr(6));
    CPPUNIT_ASSERT(talk.session().stage() == telemetry::Stage::confirmation);
    CPPUNIT_ASSERT(talk.out().deadline == ClientTimeouts{}.body);
  }

  void what_has_not_left_is_not_counted() {
    Dialogue talk;
    at_data(talk, job_with_rest(body, 3)).more("xyz");
    const uint64_t said = talk.session().bytes();
    talk.session().feed("552 too large\r\n", talk.out(), 5);
    CPPUNIT_ASSERT_EQUAL(said - 5, talk.replies()[0].bytes);
    CPPUNIT_ASSERT(talk.replies()[0].stage == telemetry::Stage::body);
  }

  void the_next_message_is_its_own() {
    Dialogue talk;
    at_data(talk, job_with_rest("a\r", 1)).more("\r").server("250 one\r\n").result({"250 one"});
    talk.out().bytes.clear();
    talk.send(job({"bob@example.net"}, "\n.\r\n")).server("250 ok\r\n250 ok\r\n354 go\r\n");
    talk.client(mail + rcpt + "DATA\r\nReceived: here\r\n\r\n..\r\n.\r\n");
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ClientRestTest);
