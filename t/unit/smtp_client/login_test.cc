// Who is speaking (AUTH), and for whom (XCLIENT).
#include "auth/password.h"
#include "smtp/client_envelope.h"
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_client_test;

namespace {

ClientSettings with_login(std::vector<std::string> mechanisms, bool requires_tls = false) {
  ClientSettings made = settings(TlsUse::if_available);
  made.login = ClientLogin{std::move(mechanisms), "alice", "secret", requires_tls};
  return made;
}

ClientSettings with_xclient(XclientUse use) {
  ClientSettings made = settings(TlsUse::if_available);
  made.xclient = use;
  return made;
}

Job from(JobClient client) {
  Job made = job();
  made.client = std::move(client);
  return made;
}

struct Lines : telemetry::SessionTrace {
  void sent(std::string_view lines) override { all.append(lines).append("\n"); }
  void received(std::string_view) override {}
  void note(std::string_view) override {}
  std::string all;
};

const std::string mail = "MAIL FROM:<alice@example.org>\r\n";
const std::string initial = auth::to_base64(std::string_view("\0alice\0secret", 13));

}  // namespace

class ClientLoginTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ClientLoginTest);
  CPPUNIT_TEST(plain);
  CPPUNIT_TEST(login);
  CPPUNIT_TEST(cram_md5);
  CPPUNIT_TEST(xoauth2);
  CPPUNIT_TEST(scram_wants_the_servers_proof);
  CPPUNIT_TEST(scram_does_not_work_for_ever);
  CPPUNIT_TEST(the_first_that_both_know);
  CPPUNIT_TEST(behind_tls_only);
  CPPUNIT_TEST(what_cannot_be);
  CPPUNIT_TEST(refused);
  CPPUNIT_TEST(challenges_that_are_none);
  CPPUNIT_TEST(a_long_response_waits);
  CPPUNIT_TEST(no_trace_shows_it);
  CPPUNIT_TEST(whose_message_it_is);
  CPPUNIT_TEST(xclient_words);
  CPPUNIT_TEST(little_is_kept_of_much);
  CPPUNIT_TEST(xclient_in_several_commands);
  CPPUNIT_TEST(xclient_refused);
  CPPUNIT_TEST(xclient_missing);
  CPPUNIT_TEST(xclient_once_only);
  CPPUNIT_TEST(xclient_ends_within);
  CPPUNIT_TEST(less_behind_xclient);
  CPPUNIT_TEST(eight_bits_in_front_of_the_body);
  CPPUNIT_TEST(names_refused_behind_xclient);
  CPPUNIT_TEST_SUITE_END();

  void plain() {
    for (const size_t cut : {0, 1}) {
      Dialogue talk(cut, with_login({"PLAIN"}));
      talk.greeted({"PIPELINING", "AUTH LOGIN PLAIN"}).client("AUTH PLAIN " + initial + "\r\n").state("auth");
      CPPUNIT_ASSERT_EQUAL(0, talk.readies);
      talk.server("235 2.7.0 yes\r\n").client("").next(ClientNext::idle);
      CPPUNIT_ASSERT(talk.session().authenticated());
      // RFC 4954 §5: we are who we are, and say nothing of who sent the message, unless we were told.
      talk.send(job({"a@x"}));
      CPPUNIT_ASSERT(talk.out().bytes.starts_with("MAIL FROM:<alice@example.org> AUTH=<>\r\n"));
    }
  }

  void login() {
    Dialogue talk(0, with_login({"LOGIN"}));
    talk.greeted({"AUTH=LOGIN"}).client("AUTH LOGIN\r\n").server("334 VXNlcm5hbWU6\r\n").client("YWxpY2U=\r\n");
    talk.server("334 UGFzc3dvcmQ6\r\n").client("c2VjcmV0\r\n").server("235 yes\r\n").next(ClientNext::idle);
  }

  void cram_md5() {  // RFC 2195 §2
    ClientSettings tim = with_login({"CRAM-MD5"});
    tim.login->user = "tim";
    tim.login->password = "tanstaaftanstaaf";
    Dialogue talk(0, tim);
    talk.greeted({"AUTH CRAM-MD5"}).client("AUTH CRAM-MD5\r\n");
    talk.server("334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n");
    talk.client("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n").server("235 yes\r\n").next(ClientNext::idle);
  }

  void xoauth2() {
    Dialogue talk(0, with_login({"XOAUTH2"}));
    talk.greeted({"AUTH XOAUTH2"});
    talk.client("AUTH XOAUTH2 " + auth::to_base64("user=alice\1auth=Bearer secret\1\1") + "\r\n");
    // What is wrong comes as a challenge, and then the refusal.
    talk.server("334 eyJzdGF0dXMiOiI0MDEifQ==\r\n").client("\r\n").server("535 5.7.8 no\r\n");
    talk.failure("535 AUTH XOAUTH2 as alice: 535 5.7.8 no");
  }

  void scram_wants_the_servers_proof() {
    for (const char* mechanism : {"SCRAM-SHA-256", "SCRAM-SHA-1"}) {
      Dialogue talk(0, with_login({mechanism}));
      talk.greeted({std::string("AUTH ") + mechanism});
      CPPUNIT_ASSERT(talk.out().bytes.starts_with(std::string("AUTH ") + mechanism + " " +
                                                  auth::to_base64("n,,n=alice,r=").substr(0, 16)));
      talk.server("235 come in\r\n").next(ClientNext::close);
      talk.failure(std::string("0 AUTH ") + mechanism +
                   " as alice: the server has not proved that it knows the password");
      CPPUNIT_ASSERT_EQUAL(0, talk.readies);
    }
  }

  void scram_does_not_work_for_ever() {
    Dialogue talk(0, with_login({"SCRAM-SHA-256"}));
    talk.greeted({"AUTH SCRAM-SHA-256"});
    talk.server("334 " + auth::to_base64("r=x,s=c2FsdA==,i=4000000000") + "\r\n").next(ClientNext::close);
    talk.failure("0 AUTH SCRAM-SHA-256 as alice: the server asks for more than 200000 iterations");
  }

  void the_first_that_both_know() {
    Dialogue talk(0, with_login({"SCRAM-SHA-256", "login", "PLAIN"}));
    talk.greeted({"AUTH PLAIN DIGEST-MD5 LOGIN"}).client("AUTH LOGIN\r\n");
  }

  void behind_tls_only() {
    Dialogue talk(0, with_login({"PLAIN"}, true));
    talk.greeted({"STARTTLS", "AUTH PLAIN"}).client("STARTTLS\r\n").server("220 go\r\n").secured();
    talk.client("EHLO me.example\r\n").server(Dialogue::ehlo({"AUTH PLAIN"}));
    talk.client("AUTH PLAIN " + initial + "\r\n").server("235 yes\r\n").next(ClientNext::idle);

    Dialogue clear(0, with_login({"PLAIN"}, true));
    clear.greeted({"AUTH PLAIN"}).client("QUIT\r\n").next(ClientNext::close);
    clear.failure("0 cannot authenticate: there is no TLS, and Outbound_SMTP_AUTH_Requires_TLS");
    Dialogue refused(0, with_login({"PLAIN"}, true));
    refused.greeted({"STARTTLS", "AUTH PLAIN"}).server("454 not now\r\n").next(ClientNext::close);
    refused.failure(
        "0 cannot authenticate: there is no TLS, and Outbound_SMTP_AUTH_Requires_TLS: STARTTLS was answered with 454 "
        "not "
        "now");
  }

  void what_cannot_be() {
    Dialogue none(0, with_login({"PLAIN"}));
    none.greeted({"SIZE"}).client("QUIT\r\n").failure("0 cannot authenticate: the server does not offer AUTH");
    Dialogue others(0, with_login({"PLAIN"}));
    others.greeted({"AUTH GSSAPI NTLM"}).client("QUIT\r\n");
    others.failure("0 cannot authenticate: the server offers GSSAPI NTLM only, and none of Outbound_SMTP_AUTH_Type");
  }

  void refused() {
    Dialogue talk(0, with_login({"PLAIN"}));
    talk.greeted({"AUTH PLAIN"});
    talk.out().bytes.clear();
    talk.server("535 5.7.8 bad credentials\r\n").client("QUIT\r\n").next(ClientNext::close);
    talk.failure("535 AUTH PLAIN as alice: 535 5.7.8 bad credentials");
    CPPUNIT_ASSERT_EQUAL(0, talk.readies);
  }

  void challenges_that_are_none() {
    for (const char* challenge : {"334 ?\r\n", "334-YQ==\r\n334 YQ==\r\n", "250 ok\r\n", "334 YQ==\r\n334 YQ==\r\n"}) {
      Dialogue talk(0, with_login({"LOGIN"}));
      talk.greeted({"AUTH LOGIN"}).server(challenge).next(ClientNext::close);
      CPPUNIT_ASSERT_EQUAL(size_t{1}, talk.failures());
      CPPUNIT_ASSERT_EQUAL(0, talk.failed_with().code);
    }
    Dialogue endless(0, with_login({"LOGIN"}));
    endless.greeted({"AUTH LOGIN"});
    for (int i = 0; i < 20; ++i) endless.server("334 YQ==\r\n");
    endless.next(ClientNext::close);
  }

  // RFC 4954 §4: no command line has more than 512 octets.
  void a_long_response_waits() {
    ClientSettings token = with_login({"XOAUTH2"});
    token.login->password = std::string(2000, 't');
    Dialogue talk(0, token);
    talk.greeted({"AUTH XOAUTH2"}).client("AUTH XOAUTH2\r\n").server("334 \r\n");
    talk.client(auth::to_base64("user=alice\1auth=Bearer " + token.login->password + "\1\1") + "\r\n");
    talk.server("235 yes\r\n").next(ClientNext::idle);
  }

  void no_trace_shows_it() {
    const auto lines = std::make_shared<Lines>();
    for (const char* mechanism : {"PLAIN", "LOGIN", "XOAUTH2"}) {
      Dialogue talk(0, with_login({mechanism}));
      talk.session().trace(lines);
      talk.greeted({std::string("AUTH ") + mechanism}).server("334 YQ==\r\n").server("334 YQ==\r\n");
    }
    CPPUNIT_ASSERT(lines->all.contains("AUTH PLAIN (masked)\n") &&
                   lines->all.contains("AUTH LOGIN\n(masked)\n(masked)\n"));
    for (const std::string& secret : {initial, auth::to_base64("secret"), auth::to_base64("user=alice")})
      CPPUNIT_ASSERT(!lines->all.contains(secret.substr(0, 8)));
  }

  void whose_message_it_is() {
    Dialogue talk(0, with_xclient(XclientUse::required));
    talk.greeted({"XCLIENT NAME ADDR PORT PROTO HELO LOGIN", "SIZE"}).client("").next(ClientNext::idle);
    const JobClient alice{"a.example", "192.0.2.1", "4711", "ESMTP", "helo.example", "alice"};
    talk.send(from(alice)).state("xclient");
    talk.client("XCLIENT NAME=a.example ADDR=192.0.2.1 PORT=4711 PROTO=ESMTP HELO=helo.example LOGIN=alice\r\n");
    // A new greeting: what was offered counts no more.
    talk.server("220 mx\r\n")
        .client("EHLO helo.example\r\n")
        .server(Dialogue::ehlo({"XCLIENT NAME ADDR"}))
        .client(mail);
    talk.server("250 ok\r\n").server("250 ok\r\n").server("354 go\r\n").server("250 done\r\n").result({"250 done"});
    talk.out().bytes.clear();
    // Another one of the same client, as far as the server wants to know.
    JobClient later = alice;
    later.port = "4712";
    talk.server("").send(from(alice)).client("XCLIENT NAME=a.example ADDR=192.0.2.1\r\n");
    talk.server("220 mx\r\n").server(Dialogue::ehlo({"XCLIENT NAME ADDR"})).client("EHLO helo.example\r\n" + mail);
    talk.server("550 no\r\n").result({"550 no"}).client("RSET\r\n").server("250 ok\r\n");
    talk.send(from(later)).client(mail).server("550 no\r\n").result({"550 no"}).client("RSET\r\n").server("250 ok\r\n");
    later.name = "b.example";
    talk.send(from(later)).client("XCLIENT NAME=b.example ADDR=192.0.2.1\r\n");
  }

  void xclient_words() {
    ClientOffers offers;
    offers.xclient = {"LOGIN", "HELO", "PROTO", "PORT", "ADDR", "NAME", "DESTADDR"};
    CPPUNIT_ASSERT_EQUAL(
        std::string("XCLIENT NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE] HELO=[UNAVAILABLE] "
                    "LOGIN=[UNAVAILABLE]"),
        xclient_commands({}, offers).at(0));
    CPPUNIT_ASSERT_EQUAL(std::string("XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=[UNAVAILABLE] "
                                     "HELO=a+20b+0D+0A LOGIN=x+3Dy+2Bz"),
                         xclient_commands({"", "IPV6:2001:db8::1", "", "", "a b\r\n", "x=y+z"}, offers).at(0));
    CPPUNIT_ASSERT(xclient_commands({}, {}).empty());
  }

  // A hostile server's reply of half a million octets is not kept with each of its connections.
  void little_is_kept_of_much() {
    ParsedReply ehlo{250, {"mx.example"}};
    for (int line = 0; line < 60; ++line) {
      std::string words = line % 2 == 0 ? "AUTH" : "XCLIENT";
      for (int i = 0; words.size() < 4000; ++i) words += " " + std::to_string(line) + "X" + std::to_string(i);
      ehlo.lines.push_back(words);
    }
    for (int i = 0; i < 9; ++i) ehlo.lines.emplace_back("AUTH " + std::string(3000, 'A') + " plain PLAIN scram-sha-1");
    ehlo.lines.emplace_back("XCLIENT addr NAME ADDR HELO NAME DESTADDR");
    const ClientOffers offers = read_offers(ehlo);
    CPPUNIT_ASSERT(std::ranges::count(offers.mechanisms, "PLAIN") == 1);
    CPPUNIT_ASSERT(std::ranges::count(offers.mechanisms, "SCRAM-SHA-1") == 1);
    CPPUNIT_ASSERT_EQUAL(size_t{8}, offers.mechanisms.size());
    CPPUNIT_ASSERT(offers.xclient == std::vector<std::string>({"ADDR", "NAME", "HELO"}));
    size_t octets = 0;
    for (const std::string& each : offers.mechanisms) octets += each.size();
    CPPUNIT_ASSERT(octets < 200);
  }

  void xclient_in_several_commands() {
    Dialogue talk(0, with_xclient(XclientUse::if_available));
    const std::string name(200, 'n');
    const std::string helo(230, 'h');
    const std::string user(200, 'u');
    talk.greeted({"XCLIENT NAME HELO LOGIN"}).send(from({name, {}, {}, {}, helo, user}));
    talk.client("XCLIENT NAME=" + name + " HELO=" + helo + "\r\n").server("220 mx\r\n");
    talk.client("XCLIENT LOGIN=" + user + "\r\n").server("220 mx\r\n").client("EHLO " + helo + "\r\n");
  }

  void xclient_refused() {
    Dialogue talk(0, with_xclient(XclientUse::if_available));
    talk.greeted({"XCLIENT NAME"}).send(from({"a.example", {}, {}, {}, {}, {}}));
    talk.client("XCLIENT NAME=a.example\r\n").server("550 not you\r\n").client(mail);
    talk.server("550 no\r\n").result({"550 no"}).client("RSET\r\n").server("250 ok\r\n");
    talk.send(from({"b.example", {}, {}, {}, {}, {}})).client(mail);

    Dialogue required(0, with_xclient(XclientUse::required));
    required.greeted({"XCLIENT NAME"}).send(from({"a.example", {}, {}, {}, {}, {}}));
    required.server("550 not you\r\n").next(ClientNext::close).result({"0 XCLIENT was answered with 550 not you"});

    // What was said for another client must not stand for this one.
    Dialogue second(0, with_xclient(XclientUse::if_available));
    second.greeted({"XCLIENT NAME"}).send(from({"a.example", {}, {}, {}, {}, {}})).server("220 mx\r\n");
    second.server(Dialogue::ehlo({"XCLIENT NAME"})).server("550 no\r\n").server("250 ok\r\n").result({"550 no"});
    second.send(from({"b.example", {}, {}, {}, {}, {}})).server("450 not now\r\n").next(ClientNext::close);
    second.result({"0 XCLIENT was answered with 450 not now"});
  }

  // A server that offers it before XCLIENT, and not behind it: one connection is one client's.
  void xclient_once_only() {
    for (const XclientUse use : {XclientUse::if_available, XclientUse::required}) {
      Dialogue talk(0, with_xclient(use));
      const JobClient alice{"a.example", "192.0.2.1", "4711", {}, {}, {}};
      talk.greeted({"XCLIENT NAME ADDR"}).send(from(alice)).client("XCLIENT NAME=a.example ADDR=192.0.2.1\r\n");
      talk.server("220 mx\r\n").server(Dialogue::ehlo({"HELP"})).server("550 no\r\n").result({"550 no"});
      talk.server("250 ok\r\n");
      JobClient later = alice;
      later.port = "4712";  // nothing that it was told
      talk.out().bytes.clear();
      talk.send(from(later))
          .client(mail)
          .server("550 no\r\n")
          .result({"550 no"})
          .client("RSET\r\n")
          .server("250 ok\r\n");
      talk.send(from({"b.example", "192.0.2.2", {}, {}, {}, {}})).client("QUIT\r\n").next(ClientNext::close);
      talk.result({"421 the server offers XCLIENT no more, and was told of another client"});
    }
  }

  void xclient_missing() {
    Dialogue required(0, with_xclient(XclientUse::required));
    required.greeted({"SIZE"}).client("QUIT\r\n").next(ClientNext::close);
    required.failure("0 XCLIENT is required, and the server does not offer it");
    Dialogue wanted(0, with_xclient(XclientUse::if_available));
    wanted.greeted({"SIZE"}).send(from({"a.example", {}, {}, {}, {}, {}}));
    CPPUNIT_ASSERT(wanted.out().bytes.starts_with("MAIL "));
    Dialogue unwanted(0, with_xclient(XclientUse::no));
    unwanted.greeted({"XCLIENT NAME"}).send(from({"a.example", {}, {}, {}, {}, {}})).client(mail);
  }

  // What the message was made for was offered before: nothing of that is the message's fault.
  void less_behind_xclient() {
    Job eight = from({"a.example", {}, {}, {}, {}, {}});
    eight.body_type = message::BodyType::eight_bit_mime;
    eight.body = "\xC3\xA4\r\n";
    Dialogue talk(0, with_xclient(XclientUse::if_available));
    talk.greeted({"XCLIENT NAME", "8BITMIME"})
        .send(eight)
        .server("220 mx\r\n")
        .server(Dialogue::ehlo({"XCLIENT NAME"}));
    CPPUNIT_ASSERT_EQUAL(Reply::not_tried, talk.replies().at(0).code);
    talk.done();
    CPPUNIT_ASSERT(!talk.session().offers().eight_bit_mime);
    talk.out().bytes.clear();
    eight.unconvertible = "it is signed";  // looked at by now
    talk.send(eight).client("").next(ClientNext::idle);
    talk.result(
        {"554 5.6.3 the message is 8BITMIME, which the next server does not take, and cannot be converted: it "
         "is signed"});

    Job secret = from({"a.example", {}, {}, {}, {}, {}});
    secret.require_tls = true;
    Dialogue tls(0, with_xclient(XclientUse::if_available));
    tls.greeted({"STARTTLS"}).server("220 go\r\n");
    tls.session().tls_started(tls.out(), true);
    tls.server(Dialogue::ehlo({"XCLIENT NAME", "REQUIRETLS"})).send(secret).server("220 mx\r\n");
    tls.server(Dialogue::ehlo({"XCLIENT NAME"}));
    tls.result({"450 4.7.30 the message needs REQUIRETLS, which the next server does not offer"});

    // By HELO nothing is offered.
    Dialogue helo(0, with_xclient(XclientUse::if_available));
    helo.greeted({"XCLIENT NAME", "SIZE", "8BITMIME"}).send(from({"a.example", {}, {}, {}, {}, {}}));
    helo.server("220 mx\r\n").server("500 what\r\n").server("250 mx\r\n");
    CPPUNIT_ASSERT(helo.out().bytes.ends_with("HELO me.example\r\nMAIL FROM:<alice@example.org>\r\n"));
  }

  // Who is not tried comes back at once: that must not be for what will be no different then.
  void eight_bits_in_front_of_the_body() {
    Job job = from({"a.example", {}, {}, {}, {}, {}});
    job.body_type = message::BodyType::eight_bit_mime;
    job.body = "hi\r\n";
    for (const bool measured : {false, true}) {
      if (measured) job.measured = measure({}, job.body);
      job.trace = "Received: from x\r\n\tby y (j\xC3\xBCrgen)\r\n\tid z;\r\n\tnow\r\n";
      Dialogue ours(0, with_xclient(XclientUse::if_available));
      ours.greeted({"XCLIENT NAME", "8BITMIME"}).send(job).server("220 mx\r\n");
      ours.out().bytes.clear();
      ours.server(Dialogue::ehlo({"XCLIENT NAME"})).client(mail);
      ours.server("250 a\r\n").server("250 b\r\n");
      ours.out().bytes.clear();
      ours.server("354 c\r\n").client("Received: from x\r\n\tid z;\r\n\tnow\r\nhi\r\n.\r\n");
      // Not ours: it came with the message from another spool.
      job.trace = "X-Old: \xC3\xBC\r\n";
      Dialogue old(0, with_xclient(XclientUse::if_available));
      old.greeted({"XCLIENT NAME", "8BITMIME"}).send(job).server("220 mx\r\n");
      old.server(Dialogue::ehlo({"XCLIENT NAME"}));
      old.result({"554 5.6.3 the message is 8BITMIME, which the next server does not take"});
    }
  }

  void names_refused_behind_xclient() {
    const JobClient client{"a.example", {}, {}, {}, "odd_name", {}};
    Dialogue talk(0, with_xclient(XclientUse::if_available));
    talk.greeted({"XCLIENT NAME"}).send(from(client)).client("XCLIENT NAME=a.example\r\n").server("220 mx\r\n");
    talk.client("EHLO odd_name\r\n").server("550 no such name\r\n").client("HELO odd_name\r\n");
    talk.server("550 no such name\r\n").client("EHLO me.example\r\n").server(Dialogue::ehlo({"XCLIENT NAME"}));
    talk.client(mail).server("550 no\r\n").result({"550 no"}).client("RSET\r\n").server("250 ok\r\n");

    Dialogue never(0, with_xclient(XclientUse::if_available));
    never.greeted({"XCLIENT NAME"}).send(from(client)).server("220 mx\r\n");
    for (int i = 0; i < 4; ++i) never.server("550 nobody\r\n");
    never.next(ClientNext::close).result({"0 the greeting behind XCLIENT was answered with 550 nobody"});
  }

  void xclient_ends_within() {
    Dialogue lost(0, with_xclient(XclientUse::if_available));
    lost.greeted({"XCLIENT NAME"}).send(job({"a@x", "b@x"})).server("220 mx\r\n");
    lost.session().lost("gone");
    lost.result({"0 gone", "0 gone"});
    Dialogue refused(0, with_xclient(XclientUse::if_available));
    refused.greeted({"XCLIENT NAME"}).send(job({"a@x"})).server("220 mx\r\n").server("450 busy\r\n");
    refused.next(ClientNext::close).result({"450 busy"});
    // What is said then is about no message.
    Dialogue odd(0, with_xclient(XclientUse::if_available));
    odd.greeted({"XCLIENT NAME"}).send(job({"a@x"})).server("220 mx\r\n").server("251 fine\r\n");
    odd.next(ClientNext::close).result({"0 fine"});
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ClientLoginTest);
