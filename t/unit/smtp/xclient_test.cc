// XCLIENT, XREMOTEIP, XSETCONTEXT, XDUMPCONTEXT: who may say what about a
// client, and what becomes of it.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_test;
using namespace std::string_literals;

namespace {

const std::string message = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n";

class XclientTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(XclientTest);
  CPPUNIT_TEST(attributes);
  CPPUNIT_TEST(who_may);
  CPPUNIT_TEST(sequence);
  CPPUNIT_TEST(nothing_survives);
  CPPUNIT_TEST(the_client_it_names);
  CPPUNIT_TEST(rules_of_the_new_client);
  CPPUNIT_TEST(no_place_for_the_new_client);
  CPPUNIT_TEST(xremoteip);
  CPPUNIT_TEST(contexts);
  CPPUNIT_TEST_SUITE_END();

  static Policy trusting() {
    Policy policy = generous_policy();
    policy.relay_hosts = NetworkList({*IpPrefix::parse("127.0.0.0/8"), *IpPrefix::parse("192.0.2.0/24")});
    return policy;
  }

  void attributes() {  // 67
    const std::pair<std::string, std::string> rows[] = {
        {"ADDR=192.0.2.7", "220"},
        {"addr=IPV6:2001:db8::7", "220"},
        {"ADDR=ipv6:2001:db8::7 NAME=c.example PORT=4025 PROTO=ESMTP HELO=h.example LOGIN=u", "220"},
        {"DESTADDR=192.0.2.8 DESTPORT=25", "220"},
        {"NAME=[UNAVAILABLE] ADDR=[TEMPUNAVAIL] PORT=[unavailable] LOGIN=[UNAVAILABLE]", "220"},
        {"NAME=a+2Db", "220"},
        {"PROTO=smtp", "220"},
        {"ADDR=2001:db8::7", "220"},
        {"ADDR=999.0.2.7", "501 5.5.4"},
        {"ADDR=IPV6:192.0.2.7", "501 5.5.4"},
        {"ADDR=192.0.2.7/24", "501 5.5.4"},
        {"ADDR=", "501 5.5.4"},
        {"ADDR", "501 5.5.4"},
        {"PORT=0", "501 5.5.4"},
        {"PORT=65536", "501 5.5.4"},
        {"PORT=x", "501 5.5.4"},
        {"PROTO=HTTP", "501 5.5.4"},
        {"NAME=", "501 5.5.4"},
        {"NAME=a+20b", "501 5.5.4"},
        {"NAME=a+0D+0Ab", "501 5.5.4"},
        {"NAME=a+2", "501 5.5.4"},
        {"HELO=" + std::string(256, 'x'), "501 5.5.4"},
        {"LOGIN=", "501 5.5.4"},
        {"FOO=1", "501 5.5.4"},
        {"=1", "501 5.5.4"},
        {"NAME=x FOO=1", "501 5.5.4"},
        {"", "501 5.5.4"},
    };
    for (const auto& [text, expected] : rows) {
      Dialogue dialogue(trusting());
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, "250 " + expected, coded(dialogue.say("EHLO c\r\nXCLIENT " + text + "\r\n")));
      // What is refused changes nothing, not even in part.
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, expected == "220" ? size_t{1} : size_t{0}, dialogue.host.clients.size());
    }
  }

  void who_may() {
    Dialogue stranger(trusting(), whole(), "198.51.100.7");
    const std::string offer = stranger.say("EHLO c\r\n");
    CPPUNIT_ASSERT(!offer.contains("XCLIENT") && !offer.contains("XREMOTEIP") && !offer.contains("XSETCONTEXT"));
    CPPUNIT_ASSERT_EQUAL(
        "550 5.7.1 550 5.7.1 550 5.7.1 550 5.7.1"s,
        coded(stranger.say("XCLIENT ADDR=127.0.0.1\r\nXREMOTEIP 127.0.0.1\r\nXSETCONTEXT a=b\r\nXDUMPCONTEXT\r\n")));
    CPPUNIT_ASSERT(stranger.host.clients.empty());
    Dialogue friend_(trusting());
    CPPUNIT_ASSERT(
        friend_.say("EHLO c\r\n").contains("250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n"));
    Policy off = trusting();
    off.xclient = off.xremoteip = off.xsetcontext = off.xdumpcontext = false;
    Dialogue without(off);
    CPPUNIT_ASSERT_EQUAL(
        "502 5.5.1 502 5.5.1 502 5.5.1 502 5.5.1"s,
        coded(without.say("XCLIENT ADDR=127.0.0.1\r\nXREMOTEIP 127.0.0.1\r\nXSETCONTEXT a=b\r\nXDUMPCONTEXT\r\n")));
  }

  void sequence() {
    Dialogue dialogue(trusting());
    CPPUNIT_ASSERT_EQUAL(
        "250 2.1.0 503 5.5.1 503 5.5.1 250 2.1.5"s,
        coded(dialogue.say("MAIL FROM:<a@b>\r\nXCLIENT NAME=x\r\nXREMOTEIP 192.0.2.7\r\nRCPT TO:<c@d>\r\n")));
    Policy secure = trusting();
    secure.tls_required = true;
    Dialogue plain(secure);
    CPPUNIT_ASSERT_EQUAL("530 5.7.0"s, coded(plain.say("XCLIENT NAME=x\r\n")));
  }

  void nothing_survives() {
    Policy policy = trusting();
    policy.require_ehlo = true;
    Dialogue dialogue(policy);
    dialogue.say("EHLO c\r\nAUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\nXSETCONTEXT a=b\r\n");
    CPPUNIT_ASSERT_EQUAL("alice"s, dialogue.session->user());
    CPPUNIT_ASSERT_EQUAL("220 mx.example ESMTP Impulse\r\n"s, dialogue.say("XCLIENT NAME=x\r\n"));
    CPPUNIT_ASSERT(dialogue.session->user().empty() && dialogue.session->helo().empty());
    CPPUNIT_ASSERT_EQUAL("503 5.5.1"s, coded(dialogue.say("MAIL FROM:<a@b>\r\n")));  // greet again
    CPPUNIT_ASSERT(!dialogue.say("XDUMPCONTEXT\r\n").contains(" a b"));
    // AUTH is to be had again.
    CPPUNIT_ASSERT_EQUAL("250 235 2.7.0"s, coded(dialogue.say("EHLO c\r\nAUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n")));
    // TLS stays: it is the connection's.
    Dialogue secure(policy, whole(), "127.0.0.1", TlsState{.version = "TLSv1.3", .cipher = "X", .bits = 256});
    secure.say("EHLO c\r\nXCLIENT NAME=x\r\nEHLO d\r\n" + message);
    CPPUNIT_ASSERT_EQUAL("ESMTPS"s, secure.messages.at(0).protocol);
  }

  void the_client_it_names() {
    Dialogue dialogue(trusting());
    dialogue.say(
        "EHLO gateway\r\nXCLIENT ADDR=192.0.2.7 PORT=4025 NAME=client.example HELO=h.example PROTO=SMTP "
        "LOGIN=carol DESTADDR=192.0.2.8 DESTPORT=587\r\nEHLO gateway\r\n" +
        message);
    const message::Envelope& envelope = dialogue.messages.at(0).envelope;
    CPPUNIT_ASSERT_EQUAL("192.0.2.7"s, envelope.client.to_string());
    CPPUNIT_ASSERT_EQUAL(4025, int{envelope.client_port});
    CPPUNIT_ASSERT_EQUAL("client.example"s, envelope.client_name);
    CPPUNIT_ASSERT_EQUAL("h.example"s, envelope.client_helo);
    CPPUNIT_ASSERT_EQUAL("carol"s, envelope.user);
    CPPUNIT_ASSERT_EQUAL("SMTP"s, dialogue.messages.at(0).protocol);
    CPPUNIT_ASSERT(dialogue.messages.at(0).trace.contains("192.0.2.7"));
    CPPUNIT_ASSERT_EQUAL("192.0.2.8"s, dialogue.session->client().destination.to_string());
    CPPUNIT_ASSERT_EQUAL(587, int{dialogue.session->client().destination_port});
    CPPUNIT_ASSERT_EQUAL("XCLIENT carol in"s, dialogue.host.outcomes.at(0));
    // Said in pieces it is the same.
    Dialogue twice(trusting());
    twice.say("XCLIENT ADDR=192.0.2.7\r\nXCLIENT NAME=client.example\r\n" + message);
    CPPUNIT_ASSERT_EQUAL("192.0.2.7"s, twice.messages.at(0).envelope.client.to_string());
    CPPUNIT_ASSERT_EQUAL("client.example"s, twice.messages.at(0).envelope.client_name);
  }

  void no_place_for_the_new_client() {
    for (const auto* command : {"XCLIENT ADDR=198.51.100.7\r\n", "XREMOTEIP 198.51.100.7\r\n"}) {
      Dialogue dialogue(trusting());
      dialogue.host.no_place = HostRefusal{421, "4.3.2", "peer_sessions", "Too many sessions from your address"};
      CPPUNIT_ASSERT_EQUAL("421 4.3.2 Too many sessions from your address\r\n"s, dialogue.say(command));
      CPPUNIT_ASSERT_EQUAL("421 peer_sessions"s, dialogue.host.causes.back());
      CPPUNIT_ASSERT(dialogue.closed);
    }
  }

  void rules_of_the_new_client() {
    Dialogue far(trusting());
    CPPUNIT_ASSERT_EQUAL("220 250 250 2.1.0 550 5.7.1"s,
                         coded(far.say("XCLIENT ADDR=198.51.100.7\r\nEHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")));
    // Who is not known is not the gateway.
    for (const auto* unknown : {"[UNAVAILABLE]", "[TEMPUNAVAIL]"}) {
      Dialogue nobody(trusting());
      CPPUNIT_ASSERT_EQUAL(
          "220 250 250 2.1.0 550 5.7.1"s,
          coded(nobody.say("XCLIENT ADDR="s + unknown + "\r\nEHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")));
    }
    // Nor is the gateway's certificate theirs.
    Policy by_certificate = trusting();
    by_certificate.verified_peer_can_relay = true;
    for (const auto* command : {"XCLIENT ADDR=198.51.100.7\r\nEHLO x\r\n", "XREMOTEIP 198.51.100.7\r\n"}) {
      TlsState tls{.version = "TLSv1.3", .cipher = "X", .bits = 256, .verified = true, .identity = "gateway"};
      Dialogue secure(by_certificate, whole(), "127.0.0.1", tls);
      secure.say("EHLO gateway\r\n");
      CPPUNIT_ASSERT_EQUAL("gateway"s, secure.session->user());
      secure.say(command);
      CPPUNIT_ASSERT_EQUAL(std::string(), secure.session->user());
      CPPUNIT_ASSERT_EQUAL("250 2.1.0 550 5.7.1"s, coded(secure.say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")));
    }
    // Also where it comes behind the command.
    by_certificate.starttls = true;
    Dialogue later(by_certificate);
    later.say("XCLIENT ADDR=198.51.100.7\r\nEHLO x\r\nSTARTTLS\r\n");
    later.tls({.version = "TLSv1.3", .cipher = "X", .bits = 256, .verified = true, .identity = "gateway"});
    CPPUNIT_ASSERT_EQUAL("250 250 2.1.0 550 5.7.1"s,
                         coded(later.say("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")));
    CPPUNIT_ASSERT_EQUAL(std::string(), later.session->user());
    Dialogue denied(trusting());
    Policy no = trusting();
    no.deny = true;
    denied.host.client_policy = std::make_shared<const Policy>(no);
    CPPUNIT_ASSERT_EQUAL("554 5.7.1 503 5.5.1 221 2.0.0"s,
                         coded(denied.say("XCLIENT ADDR=198.51.100.7\r\nEHLO x\r\nQUIT\r\n")));
    Dialogue gone(trusting());
    gone.host.client_policy = fail(Errc::unavailable, "4.3.2 Not now");
    CPPUNIT_ASSERT_EQUAL("421 4.3.2"s, coded(gone.say("XCLIENT ADDR=198.51.100.7\r\n")));
    CPPUNIT_ASSERT(gone.closed);
  }

  void xremoteip() {
    const std::pair<std::string, std::string> rows[] = {{"192.0.2.7", "250 2.0.0"},
                                                        {"2001:db8::7", "250 2.0.0"},
                                                        {"IPV6:::1", "250 2.0.0"},
                                                        {"192.0.2.7 ", "250 2.0.0"},
                                                        {"", "501 5.5.4"},
                                                        {"x", "501 5.5.4"},
                                                        {"192.0.2.7 x", "501 5.5.4"},
                                                        {"192.0.2.7:25", "501 5.5.4"}};
    for (const auto& [text, expected] : rows) {
      Dialogue dialogue(trusting());
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, expected, coded(dialogue.say("XREMOTEIP " + text + "\r\n")));
    }
    // The greeting stays.
    Policy policy = trusting();
    policy.require_ehlo = true;
    Dialogue dialogue(policy);
    dialogue.say("EHLO c\r\nXREMOTEIP 192.0.2.7\r\n" + message);
    CPPUNIT_ASSERT_EQUAL("192.0.2.7"s, dialogue.messages.at(0).envelope.client.to_string());
    CPPUNIT_ASSERT_EQUAL("c"s, dialogue.messages.at(0).envelope.client_helo);
  }

  void contexts() {
    Policy policy = trusting();
    policy.context = {{"site", "here"}, {"kind", "bulk"}};
    Dialogue dialogue(policy);
    CPPUNIT_ASSERT_EQUAL("250 2.0.0 250 2.0.0"s,
                         coded(dialogue.say("XSETCONTEXT a=1 kind=one\r\nXSETCONTEXT b+3D=x+20y\r\n")));
    const std::string dump = dialogue.say("XDUMPCONTEXT\r\n");
    CPPUNIT_ASSERT(dump.contains("250-[connection] remote_addr 127.0.0.1\r\n"));
    for (const auto* line : {"site here", "kind one", "a 1", "b= x y"})
      CPPUNIT_ASSERT_MESSAGE(dump, dump.contains("250-[connection] "s + line + "\r\n"));
    CPPUNIT_ASSERT(dump.ends_with("250 XDUMPCONTEXT complete\r\n"));
    dialogue.say(message);
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    CPPUNIT_ASSERT(dialogue.messages.at(0).envelope.context ==
                   (Pairs{{"site", "here"}, {"kind", "one"}, {"a", "1"}, {"b=", "x y"}}));
    for (const auto* bad : {"a", "=b", "a=b+0A", "a=b c", "+=x"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(bad, "501 5.5.4"s, coded(dialogue.say("XSETCONTEXT "s + bad + "\r\n")));
    // Bounded.
    std::string codes;
    for (int i = 0; i < 300; ++i) codes = coded(dialogue.say("XSETCONTEXT k" + std::to_string(i) + "=v\r\n"));
    CPPUNIT_ASSERT_EQUAL("501 5.5.4"s, codes);
    CPPUNIT_ASSERT_EQUAL("501 5.5.4"s, coded(dialogue.say("XDUMPCONTEXT x\r\n")));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(XclientTest);

}  // namespace
