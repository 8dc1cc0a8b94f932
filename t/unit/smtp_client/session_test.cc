// The client's half of a session: dialogues as servers hold them.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_client_test;

namespace {
const std::string wire = "Received: here\r\nSubject: x\r\n\r\nhi\r\n.\r\n";
const std::string early = "0 the server sent a reply before it was asked";
}  // namespace

class ClientSessionTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ClientSessionTest);
  CPPUNIT_TEST(lock_step);
  CPPUNIT_TEST(pipelined);
  CPPUNIT_TEST(several_messages_on_one_session);
  CPPUNIT_TEST(helo_when_ehlo_is_refused);
  CPPUNIT_TEST(greetings_that_end_it);
  CPPUNIT_TEST(some_recipients_refused);
  CPPUNIT_TEST(all_recipients_refused);
  CPPUNIT_TEST(mail_refused);
  CPPUNIT_TEST(data_refused);
  CPPUNIT_TEST(message_refused);
  CPPUNIT_TEST(reset_refused);
  CPPUNIT_TEST(data_accepted_without_recipients);
  CPPUNIT_TEST(data_accepted_without_sender);
  CPPUNIT_TEST(starttls);
  CPPUNIT_TEST(starttls_refused);
  CPPUNIT_TEST(starttls_missing);
  CPPUNIT_TEST(starttls_injection);
  CPPUNIT_TEST(tls_handshake_fails);
  CPPUNIT_TEST(server_goes_away_at_any_point);
  CPPUNIT_TEST(connection_lost_at_any_point);
  CPPUNIT_TEST(early_and_surplus_replies);
  CPPUNIT_TEST(nonsense);
  CPPUNIT_TEST(quitting);
  CPPUNIT_TEST(quit_from_inside_job_done);
  CPPUNIT_TEST(jobs_in_ready_do_not_recurse);
  CPPUNIT_TEST(job_at_the_wrong_time);
  CPPUNIT_TEST(deadlines);
  CPPUNIT_TEST_SUITE_END();

  void lock_step() {
    for (const size_t cut : {0, 1, 3}) {
      Dialogue talk(cut);
      talk.next(ClientNext::read).client("").state("banner");
      talk.server("220-Welcome\r\n220 mx.example\r\n").client("EHLO me.example\r\n").state("ehlo");
      talk.server("250 mx.example\r\n").next(ClientNext::idle).state("idle");
      CPPUNIT_ASSERT_EQUAL(1, talk.readies);
      talk.send(job({"a@x", "b@y"})).client("MAIL FROM:<alice@example.org>\r\n").state("mail");
      talk.server("250 ok\r\n").client("RCPT TO:<a@x>\r\n").state("rcpt");
      talk.server("250 ok\r\n").client("RCPT TO:<b@y>\r\n");
      talk.server("251 ok\r\n").client("DATA\r\n").state("data");
      talk.server("354 go\r\n").client(wire).state("body");
      talk.server("250 2.0.0 queued as 1\r\n").client("").next(ClientNext::idle);
      talk.result({"250 2.0.0 queued as 1", "250 2.0.0 queued as 1"});
      CPPUNIT_ASSERT_EQUAL(2, talk.readies);
    }
  }

  void pipelined() {
    for (const size_t cut : {0, 1, 7}) {
      Dialogue talk(cut);
      talk.greeted({"pipelining"}).send(job({"a@x", "b@y"}));
      talk.client("MAIL FROM:<alice@example.org>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
      talk.server("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n").client(wire);
      talk.server("250 done\r\n").result({"250 done", "250 done"}).next(ClientNext::idle);
    }
  }

  void several_messages_on_one_session() {
    Dialogue talk;
    talk.on_ready(job({"a@x"})).on_ready(job({"b@x"}));
    talk.greeted({"PIPELINING"}).client("MAIL FROM:<alice@example.org>\r\nRCPT TO:<a@x>\r\nDATA\r\n");
    talk.server("250 ok\r\n250 ok\r\n354 go\r\n").client(wire);
    talk.server("250 first\r\n").result({"250 first"});
    talk.client("MAIL FROM:<alice@example.org>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
    talk.server("250 ok\r\n250 ok\r\n354 go\r\n").client(wire);
    talk.server("250 second\r\n").result({"250 second"}).next(ClientNext::idle);
  }

  void helo_when_ehlo_is_refused() {
    Dialogue talk;
    talk.server("220 x\r\n").client("EHLO me.example\r\n");
    talk.server("502 what\r\n").client("HELO me.example\r\n").state("helo");
    talk.server("250 mx\r\n").next(ClientNext::idle);
    CPPUNIT_ASSERT(!talk.session().offers().size);
    talk.send(job()).client("MAIL FROM:<alice@example.org>\r\n");
  }

  void greetings_that_end_it() {
    Dialogue refused;
    refused.server("554 5.7.1 go away\r\n").client("QUIT\r\n").next(ClientNext::close).failure("554 5.7.1 go away");
    Dialogue busy;
    busy.server("450 later\r\n").client("QUIT\r\n").next(ClientNext::close).failure("450 later");
    Dialogue closing;
    closing.server("421 4.3.2 closing\r\n").client("").next(ClientNext::close).failure("421 4.3.2 closing");
    Dialogue odd;
    odd.server("250 odd\r\n").next(ClientNext::close).failure("250 odd");
    Dialogue ehlo;
    ehlo.server("220 x\r\n").client("EHLO me.example\r\n").server("450 no\r\n").client("QUIT\r\n");
    ehlo.next(ClientNext::close).failure("450 no");
    Dialogue helo;
    helo.server("220 x\r\n").server("500 no\r\n").server("550 never\r\n").next(ClientNext::close).failure("550 never");
    CPPUNIT_ASSERT_EQUAL(0,
                         refused.readies + busy.readies + closing.readies + odd.readies + ehlo.readies + helo.readies);
  }

  void some_recipients_refused() {
    for (const bool pipelining : {false, true}) {
      Dialogue talk;
      talk.greeted(pipelining ? std::vector<std::string>{"PIPELINING"} : std::vector<std::string>{});
      talk.send(job({"a@x", "b@x", "c@x"}));
      if (pipelining) {
        talk.server("250 ok\r\n550-5.1.1 no\r\n550 5.1.1 such\r\n250 ok\r\n450 4.2.1 later\r\n354 go\r\n");
      } else {
        talk.server("250 ok\r\n").server("550-5.1.1 no\r\n550 5.1.1 such\r\n").server("250 ok\r\n");
        talk.server("450 4.2.1 later\r\n").server("354 go\r\n");
      }
      CPPUNIT_ASSERT(talk.out().bytes.ends_with("DATA\r\n" + wire));
      talk.out().bytes.clear();
      // A positive end needs no RSET, also when some were refused.
      talk.server("250 done\r\n").client("").next(ClientNext::idle);
      talk.result({"550 5.1.1 no such", "250 done", "450 4.2.1 later"});
    }
  }

  void all_recipients_refused() {
    Dialogue step;
    step.greeted().send(job({"a@x", "b@x"})).client("MAIL FROM:<alice@example.org>\r\n");
    step.server("250 ok\r\n").client("RCPT TO:<a@x>\r\n").server("550 no a\r\n").client("RCPT TO:<b@x>\r\n");
    step.server("451 no b\r\n").client("RSET\r\n").next(ClientNext::read).state("rset");
    step.result({"550 no a", "451 no b"});
    CPPUNIT_ASSERT_EQUAL(1, step.readies);
    step.server("250 ok\r\n").client("").next(ClientNext::idle);
    CPPUNIT_ASSERT_EQUAL(2, step.readies);

    Dialogue pipe;
    pipe.greeted({"PIPELINING"}).send(job({"a@x", "b@x"}));
    pipe.server("250 ok\r\n550 no a\r\n451 no b\r\n").server("503 no recipients\r\n");
    CPPUNIT_ASSERT(pipe.out().bytes.ends_with("DATA\r\nRSET\r\n"));
    pipe.result({"550 no a", "451 no b"});
  }

  void mail_refused() {
    Dialogue step;
    step.greeted().send(job({"a@x", "b@x"})).client("MAIL FROM:<alice@example.org>\r\n");
    step.server("452 4.3.1 full\r\n").client("RSET\r\n").result({"452 4.3.1 full", "452 4.3.1 full"});

    Dialogue pipe;
    pipe.greeted({"PIPELINING"}).send(job({"a@x", "b@x"}));
    pipe.server("550 5.7.1 you\r\n503 first MAIL\r\n503 first MAIL\r\n503 first MAIL\r\n");
    pipe.result({"550 5.7.1 you", "550 5.7.1 you"});
    CPPUNIT_ASSERT(pipe.out().bytes.ends_with("DATA\r\nRSET\r\n"));
  }

  void data_refused() {
    for (const bool pipelining : {false, true}) {
      Dialogue talk;
      talk.greeted(pipelining ? std::vector<std::string>{"PIPELINING"} : std::vector<std::string>{});
      talk.send(job({"a@x", "b@x"}));
      talk.server("250 ok\r\n" + std::string(pipelining ? "250 ok\r\n550 no\r\n451 4.3.0 not now\r\n" : ""));
      if (!pipelining) talk.server("250 ok\r\n").server("550 no\r\n").server("451 4.3.0 not now\r\n");
      CPPUNIT_ASSERT(talk.out().bytes.ends_with("DATA\r\nRSET\r\n"));
      talk.result({"451 4.3.0 not now", "550 no"});
      talk.server("250 ok\r\n").next(ClientNext::idle);
    }
  }

  void message_refused() {
    Dialogue talk;
    talk.greeted({"PIPELINING"}).send(job());
    talk.server("250 ok\r\n250 ok\r\n354 go\r\n");
    talk.out().bytes.clear();
    talk.server("554 5.7.1 spam\r\n").client("RSET\r\n").result({"554 5.7.1 spam"});
    talk.server("250 ok\r\n").next(ClientNext::idle);
  }

  void reset_refused() {
    Dialogue talk;
    talk.greeted().send(job()).server("550 no\r\n").result({"550 no"});
    talk.out().bytes.clear();
    talk.server("500 RSET?\r\n").client("QUIT\r\n").next(ClientNext::close).failure("500 RSET?");
    CPPUNIT_ASSERT_EQUAL(1, talk.readies);
  }

  // RFC 2920 §3.1: DATA was sent ahead and taken though nobody was accepted.
  void data_accepted_without_recipients() {
    Dialogue talk;
    talk.greeted({"PIPELINING"}).send(job({"a@x"}));
    talk.out().bytes.clear();
    talk.server("250 ok\r\n550 no\r\n354 go\r\n").client(".\r\n").state("body");
    CPPUNIT_ASSERT_EQUAL(size_t{0}, talk.jobs_done());
    talk.server("554 no valid recipients\r\n").client("RSET\r\n").result({"550 no"});
    talk.server("250 ok\r\n").next(ClientNext::idle);

    // Even if the server takes the empty message for something: the recipient was refused.
    talk.send(job({"a@x"}));
    talk.out().bytes.clear();
    talk.server("250 ok\r\n550 no\r\n354 go\r\n").client(".\r\n").server("250 thanks\r\n").result({"550 no"});
  }

  void data_accepted_without_sender() {
    Dialogue none;
    none.greeted({"PIPELINING"}).send(job({"a@x"}));
    none.out().bytes.clear();
    none.server("550 bad sender\r\n503 no\r\n354 go\r\n")
        .client(".\r\n")
        .server("554 no\r\n")
        .result({"550 bad sender"});

    // Sender refused, recipient taken: a lone dot would deliver an empty message.
    Dialogue some;
    some.greeted({"PIPELINING"}).send(job({"a@x"}));
    some.out().bytes.clear();
    some.server("550 bad sender\r\n250 ok\r\n354 go\r\n").client("").next(ClientNext::close).result({"550 bad sender"});
    CPPUNIT_ASSERT_EQUAL(size_t{0}, some.failures());
  }

  void starttls() {
    for (const size_t cut : {0, 1}) {
      Dialogue talk(cut);
      talk.greeted({"STARTTLS", "SIZE"}).client("STARTTLS\r\n").state("starttls").next(ClientNext::read);
      CPPUNIT_ASSERT_EQUAL(0, talk.readies);
      talk.server("220 go\r\n").client("").next(ClientNext::start_tls).state("tls");
      CPPUNIT_ASSERT_EQUAL(size_t{0}, talk.session().feed("250 early\r\n", talk.out()));
      CPPUNIT_ASSERT(!talk.session().tls_active());
      talk.secured().client("EHLO me.example\r\n").next(ClientNext::read);
      CPPUNIT_ASSERT(talk.session().tls_active());
      CPPUNIT_ASSERT(!talk.session().offers().size);  // learnt in the clear
      talk.server("250-x\r\n250 STARTTLS\r\n").client("").next(ClientNext::idle);
      CPPUNIT_ASSERT_EQUAL(1, talk.readies);
      CPPUNIT_ASSERT(!talk.session().offers().size);
    }
    Dialogue unwanted(0, settings(TlsUse::no));
    unwanted.greeted({"STARTTLS"}).client("").next(ClientNext::idle);
  }

  void starttls_refused() {
    Dialogue talk;
    talk.greeted({"STARTTLS"}).client("STARTTLS\r\n").server("454 no TLS now\r\n").client("").next(ClientNext::idle);
    Dialogue required(0, settings(TlsUse::required));
    required.greeted({"STARTTLS"}).client("STARTTLS\r\n").server("454 no TLS now\r\n").client("QUIT\r\n");
    required.next(ClientNext::close).failure("454 no TLS now");
    CPPUNIT_ASSERT_EQUAL(0, required.readies);
    Dialogue odd;
    odd.greeted({"STARTTLS"}).client("STARTTLS\r\n").server("250 sure\r\n").next(ClientNext::close).failure("250 sure");
  }

  void starttls_missing() {
    Dialogue talk(0, settings(TlsUse::required));
    talk.greeted({"SIZE"}).client("QUIT\r\n").next(ClientNext::close);
    talk.failure("0 TLS is required, and the server does not offer STARTTLS");
    Dialogue old(0, settings(TlsUse::required));
    old.server("220 x\r\n").server("500 EHLO?\r\n").server("250 x\r\n").next(ClientNext::close);
    old.failure("0 TLS is required, and the server does not offer STARTTLS");
  }

  // Bytes in the clear behind the 220 must not count as said through TLS.
  void starttls_injection() {
    for (const TlsUse use : {TlsUse::if_available, TlsUse::required}) {
      Dialogue talk(0, settings(use));
      talk.greeted({"STARTTLS"}).client("STARTTLS\r\n").server("220 go\r\n250-evil\r\n250 AUTH\r\n").client("");
      talk.next(ClientNext::close).failure("0 bytes in the clear behind the reply to STARTTLS");
      CPPUNIT_ASSERT_EQUAL(0, talk.readies);
    }
  }

  void tls_handshake_fails() {
    Dialogue talk;
    talk.greeted({"STARTTLS"}).client("STARTTLS\r\n").server("220 go\r\n");
    talk.session().tls_failed("certificate\nexpired", talk.out());
    talk.next(ClientNext::close).failure("0 TLS handshake failed: certificate\\nexpired");
    talk.session().lost("closed");
    CPPUNIT_ASSERT_EQUAL(size_t{0}, talk.failures());
  }

  // 421 instead of each reply in turn.
  void server_goes_away_at_any_point() {
    const std::vector<std::string> says = {"220 x\r\n",  "250 x\r\n",  "250 ok\r\n", "550 no\r\n",
                                           "250 ok\r\n", "354 go\r\n", "250 ok\r\n"};
    for (size_t at = 0; at < says.size(); ++at) {
      Dialogue talk;
      talk.on_ready(job({"a@x", "b@x"}));
      for (size_t i = 0; i < at; ++i) talk.server(says[i]);
      talk.server("421 4.3.2 bye\r\n").next(ClientNext::close).state("closed");
      if (at < 2) {
        talk.failure("421 4.3.2 bye");
      } else if (at < 4) {
        talk.result({"421 4.3.2 bye", "421 4.3.2 bye"});
      } else {
        talk.result({"550 no", "421 4.3.2 bye"});
      }
      CPPUNIT_ASSERT_EQUAL(size_t{0}, talk.failures() + talk.jobs_done());
      // It stays closed, whatever comes.
      talk.out().bytes.clear();
      talk.server("250 ok\r\n").client("").next(ClientNext::close);
      talk.session().lost("gone");
      CPPUNIT_ASSERT_EQUAL(size_t{0}, talk.failures() + talk.jobs_done());
    }
    // While idle, as servers do that waited too long.
    Dialogue idle;
    idle.greeted().server("421 4.4.2 too long\r\n").next(ClientNext::close).failure("421 4.4.2 too long");
  }

  void connection_lost_at_any_point() {
    const std::vector<std::string> says = {"220 x\r\n",  "250 x\r\n",  "250 ok\r\n",
                                           "550 no\r\n", "250 ok\r\n", "354 go\r\n"};
    for (size_t at = 0; at <= says.size(); ++at) {
      Dialogue talk;
      talk.on_ready(job({"a@x", "b@x"}));
      for (size_t i = 0; i < at; ++i) talk.server(says[i]);
      talk.server("25");  // in the middle of a reply
      talk.session().lost("reset by\r\npeer");
      if (at < 2) {
        talk.failure("0 reset by\\r\\npeer");
      } else if (at < 4) {
        talk.result({"0 reset by\\r\\npeer", "0 reset by\\r\\npeer"});
      } else {
        talk.result({"550 no", "0 reset by\\r\\npeer"});
      }
      talk.session().lost("again");
      CPPUNIT_ASSERT_EQUAL(size_t{0}, talk.failures() + talk.jobs_done());
    }
    // A refused MAIL is an answer, though replies to RCPT and DATA never came.
    Dialogue refused;
    refused.greeted({"PIPELINING"}).send(job({"a@x", "b@x"})).server("550 you\r\n503 no\r\n");
    refused.session().lost("gone");
    refused.result({"550 you", "550 you"});
  }

  void early_and_surplus_replies() {
    Dialogue banner;
    banner.server("220 x\r\n250 early\r\n").client("").next(ClientNext::close).failure(early);
    Dialogue part;
    part.server("220 x\r\n2").client("").next(ClientNext::close).failure(early);
    Dialogue greeting;
    greeting.server("220 x\r\n").server("250 x\r\n250 y\r\n").next(ClientNext::close).failure(early);
    CPPUNIT_ASSERT_EQUAL(0, greeting.readies);

    Dialogue mail;
    mail.greeted().send(job()).client("MAIL FROM:<alice@example.org>\r\n");
    mail.server("250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n").client("").next(ClientNext::close).result({early});

    Dialogue data;
    data.greeted({"PIPELINING"}).send(job());
    data.out().bytes.clear();
    data.server("250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n").client("").next(ClientNext::close).result({early});

    // The message was taken: that stands, the session does not.
    Dialogue end;
    end.greeted({"PIPELINING"}).send(job()).server("250 ok\r\n250 ok\r\n354 go\r\n");
    end.server("250 taken\r\n250 more\r\n").next(ClientNext::close).result({"250 taken"}).failure(early);
    CPPUNIT_ASSERT_EQUAL(1, end.readies);

    Dialogue idle;
    idle.greeted().server("250 hello?\r\n").next(ClientNext::close).failure("250 hello?");
    Dialogue half;
    half.greeted().server("25").next(ClientNext::idle).send(job()).client("").next(ClientNext::close).result({early});
  }

  void nonsense() {
    const std::string no_reply = "0 a line is not an SMTP reply";
    Dialogue http;
    http.server("HTTP/1.1 400 Bad Request\r\n").next(ClientNext::close).failure(no_reply);
    Dialogue mail;
    mail.greeted()
        .send(job())
        .server("354 what\r\n")
        .next(ClientNext::close)
        .result({"0 nonsense in reply to MAIL: what"});
    Dialogue rcpt;
    rcpt.greeted().send(job()).server("250 ok\r\n").server("354 what\r\n").next(ClientNext::close);
    rcpt.result({"0 nonsense in reply to RCPT: what"});
    Dialogue data;
    data.greeted().send(job()).server("250 ok\r\n").server("250 ok\r\n").server("250 ok\r\n").next(ClientNext::close);
    data.result({"0 nonsense in reply to DATA: ok"});
    Dialogue body;
    body.greeted().send(job()).server("250 ok\r\n").server("250 ok\r\n").server("354 go\r\n").server("354 go on\r\n");
    body.next(ClientNext::close).result({"0 nonsense in reply to the message: go on"});
    // However long the nonsense, the text stays within its bound.
    Dialogue wordy;
    wordy.greeted().send(job()).server("250 ok\r\n").server("354 " + std::string(3000, '\xFF') + "\r\n");
    CPPUNIT_ASSERT(wordy.done().at(0).size() <= 512 + 2);
    // Binary in the middle of a job.
    Dialogue garbage;
    garbage.greeted().send(job({"a@x", "b@x"})).server("250 ok\r\n").server("550 no\r\n").server("\x16\x03\x01\n");
    garbage.next(ClientNext::close).result({"550 no", "0 a reply line does not end in CRLF"});
    ClientSettings small = settings();
    small.max_line = 64;
    small.max_reply_lines = 3;
    Dialogue endless(0, small);
    endless.server("220 " + std::string(10000, 'x')).next(ClientNext::close).failure("0 a reply line is too long");
    Dialogue many(0, small);
    for (int i = 0; i < 10; ++i) many.server("220-x\r\n");
    many.next(ClientNext::close).failure("0 a reply has too many lines");
  }

  void quitting() {
    Dialogue talk;
    talk.greeted();
    talk.session().quit(talk.out());
    talk.client("QUIT\r\n").next(ClientNext::read).state("quit");
    talk.session().quit(talk.out());
    talk.client("").server("221 bye\r\n").next(ClientNext::close).state("closed");
    CPPUNIT_ASSERT_EQUAL(size_t{0}, talk.failures());

    Dialogue rude;
    rude.greeted();
    rude.session().quit(rude.out());
    rude.session().lost("closed");
    CPPUNIT_ASSERT_EQUAL(size_t{0}, rude.failures());

    Dialogue soon;
    soon.session().quit(soon.out());
    soon.client("").next(ClientNext::close);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, soon.failures());

    Dialogue busy;
    busy.greeted().send(job());
    busy.session().quit(busy.out());
    busy.next(ClientNext::close).result({"0 session given up"});
  }

  void quit_from_inside_job_done() {
    Dialogue refused;
    refused.quit_when_done = true;
    refused.greeted().send(job()).client("MAIL FROM:<alice@example.org>\r\n");
    refused.server("550 no\r\n").client("").next(ClientNext::close).result({"550 no"});
    Dialogue fine;
    fine.quit_when_done = true;
    fine.greeted({"PIPELINING"}).send(job()).server("250 a\r\n250 b\r\n354 c\r\n").server("250 d\r\n");
    fine.next(ClientNext::close).result({"250 d"});
    CPPUNIT_ASSERT_EQUAL(1, fine.readies);
  }

  void jobs_in_ready_do_not_recurse() {
    Dialogue talk;
    Job binary = job();
    binary.body_type = message::BodyType::binary_mime;
    const size_t count = 20000;  // would be too deep a stack
    for (size_t i = 0; i < count; ++i) talk.on_ready(binary);
    talk.greeted().client("").next(ClientNext::idle);
    CPPUNIT_ASSERT_EQUAL(count, talk.jobs_done());
    CPPUNIT_ASSERT_EQUAL(static_cast<int>(count) + 1, talk.readies);
  }

  void job_at_the_wrong_time() {
    Dialogue talk;
    talk.send(job()).client("").result({"0 the session is not ready for a message"}).state("banner");
    talk.greeted().send(job({"a@x"})).client("MAIL FROM:<alice@example.org>\r\n");
    talk.send(job({"b@x"})).client("").result({"0 the session is not ready for a message"});
    talk.server("250 ok\r\n").client("RCPT TO:<a@x>\r\n");  // the first is not disturbed
    talk.session().lost("gone");
    talk.result({"0 gone"});
    talk.send(job({"b@x"})).result({"0 the session is not ready for a message"});
  }

  void deadlines() {
    const ClientTimeouts timeouts;
    Dialogue talk;
    CPPUNIT_ASSERT(talk.out().deadline == timeouts.banner);
    talk.server("220 x\r\n");
    CPPUNIT_ASSERT(talk.out().deadline == timeouts.ehlo);
    talk.server("250-x\r\n250-SI");  // is no reply yet: the deadline stays
    CPPUNIT_ASSERT(talk.out().deadline == Duration(0));
    talk.server("ZE\r\n250 PIPELINING\r\n");
    CPPUNIT_ASSERT(talk.out().deadline == Duration(0));
    talk.send(job());
    CPPUNIT_ASSERT(talk.out().deadline == timeouts.mail);
    talk.server("250 ok\r\n");
    CPPUNIT_ASSERT(talk.out().deadline == timeouts.rcpt);
    talk.server("250 ok\r\n");
    CPPUNIT_ASSERT(talk.out().deadline == timeouts.data);
    talk.server("354 ok\r\n");
    CPPUNIT_ASSERT(talk.out().deadline == timeouts.body);
    talk.server("550 no\r\n");
    CPPUNIT_ASSERT(talk.out().deadline == timeouts.rset);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ClientSessionTest);
