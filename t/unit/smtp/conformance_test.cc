// The conformance list, group by group (RFC 5321, 1870, 2920, 3207, 2034,
// 6152): input, expected codes. Every row runs with the input fed at once,
// byte by byte and in random pieces.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_test;
using namespace std::string_literals;

namespace {

const std::string start = "EHLO c.example\r\n";
const std::string mail_from = "MAIL FROM:<a@b>\r\n";
const std::string rcpt_to = "RCPT TO:<c@d>\r\n";
const std::string open = start + mail_from + rcpt_to;

class ConformanceTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ConformanceTest);
  CPPUNIT_TEST(greetings);
  CPPUNIT_TEST(commands);
  CPPUNIT_TEST(sequence);
  CPPUNIT_TEST(addresses);
  CPPUNIT_TEST(address_policies);
  CPPUNIT_TEST(mail_parameters);
  CPPUNIT_TEST(extensions_switched_off);
  CPPUNIT_TEST(line_lengths);
  CPPUNIT_TEST(line_ends);
  CPPUNIT_TEST(hostile_bytes);
  CPPUNIT_TEST(data);
  CPPUNIT_TEST(enhanced_codes);
  CPPUNIT_TEST(ehlo_reply);
  CPPUNIT_TEST(pipelining);
  CPPUNIT_TEST(starttls);
  CPPUNIT_TEST_SUITE_END();

  // Codes, or codes with enhanced codes where the expectation has dots.
  static void expect(const Policy& policy, const std::string& input, const std::string& expected) {
    const auto shown = [&](Cutting cutting) {
      Dialogue dialogue(policy, std::move(cutting));
      const std::string replies = dialogue.say(input);
      return expected.contains('.') ? with_enhanced(replies) : Dialogue::codes_of(replies);
    };
    CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), expected, shown(whole()));
    CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), expected, shown(bytes()));
    for (unsigned seed = 0; seed < 3; ++seed)
      CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), expected, shown(random_cuts(seed)));
  }
  static void expect(const std::string& input, const std::string& expected) { expect(usual_policy(), input, expected); }
  // "250-mx.example\r\n250 2.1.0 x" -> "250 2.1.0" of the last lines only.
  static std::string with_enhanced(std::string_view replies) {
    std::string found;
    while (!replies.empty()) {
      const std::string_view line = replies.substr(0, replies.find("\r\n"));
      replies.remove_prefix(line.size() + 2);
      if (line[3] == '-') continue;
      const size_t end = line.find(' ', 4);
      const std::string_view word = line.substr(4, end - 4);
      found += (found.empty() ? "" : " ") + std::string(line.substr(0, 3));
      if (is_digit(word[0]) && word[1] == '.') found += " " + std::string(word);
    }
    return found;
  }

  void greetings() {  // 1, 4
    Dialogue dialogue;
    CPPUNIT_ASSERT_EQUAL("220 mx.example ESMTP Impulse\r\n"s, dialogue.banner);
    CPPUNIT_ASSERT(dialogue.last.waiting == Waiting::greeting);
    Policy denying = usual_policy();
    denying.deny = true;
    Dialogue denied(denying);
    CPPUNIT_ASSERT_EQUAL("554 5.7.1 Access denied\r\n"s, denied.banner);
    CPPUNIT_ASSERT(!denied.closed);
    expect(denying, open + "NOOP\r\nQUIT\r\n", "503 503 503 503 221");

    expect("EHLO\r\nHELO\r\nEHLO \r\nHELO \r\n", "501 501 501 501");
    expect("EHLO [127.0.0.1]\r\nEHLO [IPv6:::1]\r\nHELO x\r\nehlo x\r\n", "250 250 250 250");
    expect("EHLO a b\r\nEHLO a \r\nEHLO  a\r\nEHLO a\tb\r\nEHLO \xC3\xBC\r\n", "501 501 501 501 501");
    expect("EHLO " + repeat("a", 255) + "\r\nEHLO " + repeat("a", 256) + "\r\n", "250 501");
    Policy trailing = usual_policy();
    trailing.allow_trailing_whitespace = true;
    expect(trailing, "EHLO a \r\n", "250");
    Policy ehlo_only = usual_policy();
    ehlo_only.helo = false;
    expect(ehlo_only, "HELO x\r\nEHLO x\r\n", "502 250");
    Policy helo_only = usual_policy();
    helo_only.ehlo = false;
    expect(helo_only, "EHLO x\r\nHELO x\r\n", "502 250");
  }

  void commands() {  // 2, 7, 8, 9, 28
    expect("NOOP\r\nRSET\r\nHELP\r\nVRFY a\r\nQUIT\r\n", "250 250 214 252 221");
    expect("noop\r\nrSeT\r\nMail from:<a@b>\r\nrCPT tO:<c@d>\r\n", "250 250 250 250");
    expect("RSET \r\nNOOP \r\nRSET\t\r\nNOOP x\r\nHELP MAIL\r\n", "250 250 250 250 214");
    expect(open + "DATA x\r\nRSET x\r\nQUIT x\r\n", "250 250 250 501 501 501");
    expect("FOO\r\nF\r\nDATAX\r\n NOOP\r\nRSETRSET\r\n", "500 5.5.2 500 5.5.2 500 5.5.2 500 5.5.2 500 5.5.2");
    expect("EXPN a\r\nTURN\r\nETRN x\r\nSEND FROM:<a@b>\r\nSOML\r\nSAML\r\n",
           "502 5.5.1 502 5.5.1 502 5.5.1 502 5.5.1 502 5.5.1 502 5.5.1");
    expect("AUTH PLAIN AGEAYg==\r\nBDAT 6 LAST\r\nRSET\r\nXCLIENT ADDR=1.2.3.4\r\n", "502 5.5.1 502 5.5.1 502 5.5.1");
    expect("STARTTLS\r\nLHLO x\r\n", "502 5.5.1 500 5.5.2");
    expect("\r\n \r\n\t\r\n", "500 500 500");
    expect("VRFY\r\nVRFY \r\n", "501 5.5.4 501 5.5.4");
    expect("GET / HTTP/1.1\r\nHost: x\r\n\r\nEHLO a\r\n", "421 4.7.0");
    expect("QUIT\r\nNOOP\r\n", "221 2.0.0");  // 23
  }

  void sequence() {  // 3, 6, 10, 13
    expect(mail_from + rcpt_to, "250 250");
    Policy strict = usual_policy();
    strict.require_ehlo = true;
    expect(strict, mail_from, "503 5.5.1");
    expect(strict, "HELO x\r\n" + mail_from, "250 250");
    expect(strict, open, "250 250 250");
    expect(open + "EHLO x\r\n" + rcpt_to + "DATA\r\n", "250 250 250 250 503 503");
    expect(open + "HELO x\r\n" + rcpt_to, "250 250 250 250 503");
    expect(open + "EHLO\r\n" + rcpt_to, "250 250 250 501 250");  // a refused greeting changes nothing
    expect(open + "RSET\r\n" + rcpt_to + mail_from, "250 250 250 250 503 250");
    expect(mail_from + mail_from + rcpt_to, "250 503 250");
    expect("MAIL FROM:<>\r\n" + rcpt_to, "250 250");
    expect(rcpt_to + "DATA\r\n", "503 5.5.1 503 5.5.1");
    expect(mail_from + "DATA\r\n", "250 2.1.0 503 5.5.1");
    expect(mail_from + "RCPT TO:<x y>\r\nDATA\r\nRSET\r\nDATA\r\n", "250 501 554 250 503");
    expect(open + "DATA\r\n.\r\nDATA\r\n" + rcpt_to + "RSET\r\n", "250 250 250 354 250 503 503 250");
    expect(mail_from + "RCPT TO:<postmaster>\r\nRCPT TO:<PostMaster>\r\n", "250 250 250");
    Policy closed = usual_policy();
    closed.relay_hosts = {};
    expect(closed, mail_from + "RCPT TO:<postmaster>\r\nRCPT TO:<postmaster@d>\r\n", "250 250 550");
  }

  void addresses() {  // 12, 14, 15, 16
    for (const auto* bad : {"a@b", "<a@b", "<a b@c>", "<a@@b>", "<a@b>x", "a@b>", "", "<a@>", "<u@[999.1.1.1]>"}) {
      expect("MAIL FROM:"s + bad + "\r\n", "501 5.1.7");
      expect(mail_from + "RCPT TO:" + bad + "\r\n", "250 2.1.0 501 5.1.3");
    }
    expect("MAIL FROM: <a@b>\r\n", "501 5.1.7");
    expect("MAIL FROM <a@b>\r\nMAIL\r\nMAIL <a@b>\r\nMAIL TO:<a@b>\r\nMAIL  FROM:<a@b>\r\nMAIL FROM :<a@b>\r\n",
           "501 5.5.4 501 5.5.4 501 5.5.4 501 5.5.4 501 5.5.4 501 5.5.4");
    expect(mail_from + "RCPT FROM:<c@d>\r\nRCPT TO:<>\r\nRCPT\r\n", "250 2.1.0 501 5.5.4 501 5.1.3 501 5.5.4");
    expect("MAIL FROM:<" + repeat("l", 65) + "@x>\r\n", "501 5.1.7");
    expect("MAIL FROM:<" + repeat("l", 64) + "@x>\r\nRCPT TO:<" + repeat("l", 65) + "@x>\r\n", "250 2.1.0 501 5.1.3");

    const std::string addresses[] = {"\"a b\"@x",     "\"a\\\"b\"@x",         "\"@\"@x",
                                     "u@[192.0.2.1]", "u@[IPv6:2001:db8::1]", "CaSe@X.example"};
    for (const std::string& address : addresses) {
      Dialogue dialogue;
      dialogue.say("MAIL FROM:<" + address + ">\r\nRCPT TO:<" + address + ">\r\nDATA\r\n.\r\n");
      CPPUNIT_ASSERT_EQUAL_MESSAGE(address, size_t{1}, dialogue.messages.size());
      CPPUNIT_ASSERT_EQUAL(address, dialogue.messages[0].sender);
      CPPUNIT_ASSERT_EQUAL(address, dialogue.messages[0].recipients.at(0));
    }
    Dialogue routed;
    routed.say("MAIL FROM:<@h1:a@b>\r\nRCPT TO:<@h1,@h2:u@x>\r\nDATA\r\n.\r\n");
    CPPUNIT_ASSERT_EQUAL("a@b"s, routed.messages.at(0).sender);
    CPPUNIT_ASSERT_EQUAL("u@x"s, routed.messages[0].recipients[0]);
  }

  void address_policies() {  // 10, 12, 15
    Policy policy = usual_policy();
    policy.allow_null_sender = false;
    policy.allow_ip_literal = false;
    expect(policy, "MAIL FROM:<>\r\nMAIL FROM:<u@[192.0.2.1]>\r\n" + mail_from + "RCPT TO:<u@[192.0.2.1]>\r\n",
           "550 5.1.7 550 5.1.7 250 2.1.0 550 5.1.3");
    expect("MAIL FROM:<user>\r\n" + mail_from + "RCPT TO:<user>\r\n", "550 5.1.7 250 2.1.0 550 5.1.3");
    policy = usual_policy();
    policy.unqualified_recipient_domain = "ours.example";
    policy.unqualified_sender_domain = "from.example";
    Dialogue dialogue(policy);
    CPPUNIT_ASSERT_EQUAL("250 250 250 354 250"s,
                         dialogue.codes("MAIL FROM:<me>\r\nRCPT TO:<you>\r\nRCPT TO:<postmaster>\r\nDATA\r\n.\r\n"));
    CPPUNIT_ASSERT_EQUAL("me@from.example"s, dialogue.messages[0].sender);
    CPPUNIT_ASSERT_EQUAL("you@ours.example"s, dialogue.messages[0].recipients[0]);
    CPPUNIT_ASSERT_EQUAL("postmaster@ours.example"s, dialogue.messages[0].recipients[1]);
    Dialogue bare;
    bare.say(mail_from + "RCPT TO:<POSTMASTER>\r\nDATA\r\n.\r\n");
    CPPUNIT_ASSERT_EQUAL("postmaster"s, bare.messages.at(0).recipients.at(0));

    expect("MAIL FROM:<a..b@c>\r\nMAIL FROM:<ab.@c>\r\n", "501 501");
    policy = usual_policy();
    policy.pedantic_addresses = false;
    expect(policy, "MAIL FROM:<a..b@c>\r\nRCPT TO:<ab.@c>\r\n", "250 250");
    policy = usual_policy();
    policy.allow_whitespace_in_envelope = true;
    expect(policy, "MAIL FROM: < a@b >\r\nRCPT TO:\t<c@d>\r\n", "250 250");
    expect(policy, mail_from + "RCPT TO:<c@d> \r\n", "250 501");
    policy = usual_policy();
    policy.allow_trailing_whitespace = true;
    expect(policy, "MAIL FROM:<a@b> \r\nRCPT TO:<c@d> \t\r\n", "250 250");
    expect("MAIL FROM:<a@b> \r\n", "501 5.5.4");
  }

  void mail_parameters() {  // 11, 29, 55
    for (const auto* unknown : {"FOO", "FOO=1", "SMTPUTF8", "RET=HDRS", "ENVID=x", "AUTH=<>", "REQUIRETLS", "BY=1;R",
                                "HOLDFOR=1", "MT-PRIORITY=3", "NOTIFY=NEVER"}) {
      expect("MAIL FROM:<a@b> "s + unknown + "\r\n", "555 5.5.4");
      expect(mail_from + "RCPT TO:<c@d> " + unknown + "\r\n", "250 2.1.0 555 5.5.4");
    }
    expect(mail_from + "RCPT TO:<c@d> SIZE=1\r\nRCPT TO:<c@d> BODY=7BIT\r\nRCPT TO:<c@d> =\r\n",
           "250 2.1.0 555 5.5.4 555 5.5.4 501 5.5.4");
    Policy policy = usual_policy();
    policy.max_message_size = 1000;
    const std::pair<std::string, std::string> sizes[] = {
        {"SIZE=1000", "250 2.1.0"},
        {"size=0", "250 2.1.0"},
        {"SIZE=1001", "552 5.3.4"},
        {"SIZE=", "501 5.5.4"},
        {"SIZE", "501 5.5.4"},
        {"SIZE=x", "501 5.5.4"},
        {"SIZE=-1", "501 5.5.4"},
        {"SIZE=+1", "501 5.5.4"},
        {"SIZE=0x10", "501 5.5.4"},
        {"SIZE=1.5", "501 5.5.4"},
        {"SIZE=123456789012345678901", "501 5.5.4"},
        {"SIZE=000000000000000000001", "501 5.5.4"},
        {"SIZE=18446744073709551621", "552 5.3.4"},  // 2^64 + 5 is not 5
        {"SIZE=18446744073709551615", "552 5.3.4"},
        {"SIZE=00000000000000000001", "250 2.1.0"},
        {"SIZE=1 SIZE=1", "501 5.5.4"},
        {"SIZE=1001 FOO", "555 5.5.4"},
        {"SIZE=5 BODY=8BITMIME", "250 2.1.0"},
        {"BODY=7bit SIZE=5", "250 2.1.0"},
        {"BODY=8BITMIME BODY=8BITMIME", "501 5.5.4"},
        {"BODY", "501 5.5.4"},
        {"BODY=", "501 5.5.4"},
        {"BODY=9BIT", "501 5.5.4"},
        {"BODY=BINARYMIME", "501 5.5.4"},
    };
    for (const auto& [parameter, expected] : sizes) expect(policy, "MAIL FROM:<a@b> " + parameter + "\r\n", expected);
    policy.max_message_size = 0;  // no limit
    expect(policy, "MAIL FROM:<a@b> SIZE=18446744073709551615\r\n", "250");
    expect(policy, "MAIL FROM:<a@b> SIZE=18446744073709551616\r\n", "552");
    expect(policy, "MAIL FROM:<> SIZE=5\r\n", "250");

    Dialogue dialogue;
    dialogue.say("MAIL FROM:<a@b> BODY=8BITMIME\r\n" + rcpt_to + "DATA\r\n.\r\n" + mail_from + rcpt_to +
                 "DATA\r\n.\r\n");
    CPPUNIT_ASSERT(dialogue.messages.at(0).envelope.body_type == message::BodyType::eight_bit_mime);
    CPPUNIT_ASSERT(dialogue.messages.at(1).envelope.body_type == message::BodyType::seven_bit);
  }

  void extensions_switched_off() {
    Policy policy = usual_policy();
    policy.pipelining = policy.size = policy.eight_bit_mime = policy.enhanced_status_codes = false;
    Dialogue dialogue(policy);
    CPPUNIT_ASSERT_EQUAL("250 mx.example\r\n"s, dialogue.say("EHLO a\r\n"));
    expect(policy, "MAIL FROM:<a@b> SIZE=1\r\nMAIL FROM:<a@b> BODY=7BIT\r\n", "555 555");
    // No reply has an enhanced code then.
    CPPUNIT_ASSERT_EQUAL("250 Sender OK\r\n"s, dialogue.say(mail_from));
    CPPUNIT_ASSERT_EQUAL("500 Command not recognized\r\n"s, dialogue.say("FOO\r\n"));
    Output out;
    dialogue.session->timed_out(out);
    CPPUNIT_ASSERT_EQUAL("421 Timed out waiting for you\r\n"s, out.reply);
  }

  void line_lengths() {  // 18
    Policy policy = usual_policy();
    policy.max_command_length = 512;
    expect(policy, "NOOP " + repeat("x", 505) + "\r\n", "250");
    expect(policy, "NOOP " + repeat("x", 506) + "\r\n", "500 5.5.2");
    expect(policy, mail_from + "RCPT TO:<c@d>" + repeat(" ", 600) + "\r\nDATA\r\n", "250 2.1.0 500 5.5.2 503 5.5.1");
    expect(policy, repeat("RSET ", 20000) + "\r\nNOOP\r\n", "500 250");
    expect(policy, "QUIT" + repeat(" ", 600) + "\r\nNOOP\r\n", "500 250");
  }

  // Only CRLF ends a command, unless the session began with a lone LF.
  void line_ends() {
    expect(start + "NOOP\nNOOP\r\n", "250 521 5.5.2");
    expect(start + "MAIL FROM:<a@b>\nRCPT TO:<evil@x>\r\nDATA\r\n", "250 521 5.5.2");
    expect(start + "MAIL FROM:<a\nRCPT TO:<evil@x>\r\n", "250 521");
    expect(start + "NOOP\rNOOP\r\nNOOP\r\r\n\rNOOP\r\n", "250 500 5.5.2 500 5.5.2 500 5.5.2");
    expect("EHLO a\n" + mail_from + "NOOP\nRCPT TO:<c@d>\nQUIT\n", "250 250 250 250 221");
    expect("EHLO a\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nNOOP\nDATA\r\nx\n.\n.\r\n.\r\n",
           "250 250 2.1.0 250 2.1.5 500 5.5.2 250 2.0.0 354 550 5.6.0");
    expect("GET / HTTP/1.0\n\nEHLO a\n", "421 4.7.0");
    expect("\x16\x03\x01\x02\nEHLO a\r\n", "521 5.5.2");
  }

  void hostile_bytes() {
    expect("NOOP \0\r\nNO\0OP\r\n\0\r\nEHLO a\0b\r\n"s, "500 5.5.2 500 5.5.2 500 5.5.2 500 5.5.2");
    expect("NOOP \x1B[2J\r\nMAIL FROM:<a\x7F@b>\r\n", "500 5.5.2 500 5.5.2");
    expect("NOOP \xC3\xBC\r\nVRFY \xFF\r\n\xFF\xFE\r\nHELP \xC3\xBC\r\n", "500 500 500 500");
    expect("MAIL FROM:<gr\xC3\xBC\xC3\x9F@b>\r\n" + mail_from + "RCPT TO:<c@\xC3\xBC.example>\r\n",
           "553 5.6.7 250 2.1.0 553 5.6.7");
    expect("MAIL FROM:<a\xFF@b>\r\n" + mail_from + "RCPT TO:<c@\xC0\xAF>\r\n", "501 5.1.7 250 2.1.0 501 5.1.3");
    expect("MAIL FROM:<a@b> SIZE=\xC3\xBC\r\n", "501 5.5.4");
  }

  void data() {  // 19, 20, 21, 22, 26
    const std::string good = open + "DATA\r\nS: x\r\n\r\n..x\r\n" + repeat("y", 998) + "\r\n.\r\n";
    expect(good, "250 250 2.1.0 250 2.1.5 354 250 2.0.0");
    Dialogue dialogue;
    CPPUNIT_ASSERT(dialogue.say(good).ends_with("250 2.0.0 OK: queued as 00000001/00000040-node\r\n"));
    CPPUNIT_ASSERT_EQUAL("S: x\r\n\r\n.x\r\n" + repeat("y", 998) + "\r\n", dialogue.messages.at(0).body);
    expect(open + "DATA\r\n.\r\n", "250 250 250 354 250");
    expect(open + "DATA\r\na\n.\n\r\n.\r\nNOOP\r\n", "250 250 2.1.0 250 2.1.5 354 550 5.6.0 250 2.0.0");
    expect(open + "DATA\r\n" + repeat("Received: x\r\n", 100) + ".\r\n", "250 250 250 354 250");
    expect(open + "DATA\r\n" + repeat("Received: x\r\n", 101) + ".\r\nNOOP\r\n",
           "250 250 2.1.0 250 2.1.5 354 554 5.4.6 250 2.0.0");
    Policy small = usual_policy();
    small.max_message_size = 1000;
    expect(small, open + "DATA\r\n" + repeat("0123456789", 100) + "\r\n.\r\n" + rcpt_to + mail_from,
           "250 250 2.1.0 250 2.1.5 354 552 5.3.4 503 5.5.1 250 2.1.0");
    Policy large = usual_policy();
    large.max_message_size = 0;
    Dialogue big(large);
    CPPUNIT_ASSERT_EQUAL("250 250 250 354 250"s,
                         big.codes(open + "DATA\r\n\r\n" + repeat("0123456789\r\n", 100000) + ".\r\n"));
    CPPUNIT_ASSERT_EQUAL(size_t{1200002}, big.messages.at(0).body.size());

    const std::pair<Errc, std::string> failures[] = {{Errc::io, "451 4.3.0"},
                                                     {Errc::no_space, "452 4.3.1"},
                                                     {Errc::no_files, "451 4.3.2"},
                                                     {Errc::busy, "451 4.3.2"},
                                                     {Errc::invalid, "451 4.3.0"}};
    for (const auto& [code, expected] : failures) {
      Dialogue failing;
      failing.host.commit = fail(code, "no");
      CPPUNIT_ASSERT_EQUAL("250 250 2.1.0 250 2.1.5 354 " + expected + " 503 5.5.1",
                           with_enhanced(failing.say(open + "DATA\r\nx\r\n.\r\n" + rcpt_to)));
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, failing.session->messages());
    }
    Dialogue cut;
    cut.say(open + "DATA\r\nhalf a message\r\n");
    CPPUNIT_ASSERT(cut.messages.empty() && cut.session->in_transaction());
  }

  // 54: on every 2xx, 4xx and 5xx but the banner and replies to greetings.
  void enhanced_codes() {
    Policy policy = usual_policy();
    policy.max_errors = 0;
    policy.starttls = true;
    Dialogue dialogue(policy);
    const std::string replies =
        dialogue.say("NOOP\r\nHELP\r\nVRFY a\r\nFOO\r\n\r\nEXPN\r\nRSET\r\nRSET x\r\nMAIL\r\n" + mail_from + mail_from +
                     rcpt_to + "RCPT TO:<x\r\nSTARTTLS\r\nSTARTTLS x\r\nDATA\r\n.\r\nQUIT\r\n");
    std::string_view rest = replies;
    int lines = 0;
    while (!rest.empty()) {
      const std::string line(rest.substr(0, rest.find("\r\n")));
      rest.remove_prefix(line.size() + 2);
      ++lines;
      if (line[0] == '3') continue;
      CPPUNIT_ASSERT_MESSAGE(line, line[4] == line[0] && line[5] == '.' && is_digit(line[6]) && line[7] == '.');
    }
    CPPUNIT_ASSERT_EQUAL(18, lines);
    // Replies to greetings never have one, good or bad.
    policy.tls_required = true;
    Dialogue greeted(policy);
    CPPUNIT_ASSERT_EQUAL("501 Expected one domain or address literal\r\n530 Issue a STARTTLS command first\r\n"s,
                         greeted.say("EHLO\r\nHELO a\r\n"));
  }

  void ehlo_reply() {  // 5, 29, 40
    Policy policy = usual_policy();
    policy.starttls = true;
    Dialogue dialogue(policy);
    CPPUNIT_ASSERT_EQUAL(
        "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
        "250 STARTTLS\r\n"s,
        dialogue.say("EHLO a\r\n"));
    CPPUNIT_ASSERT_EQUAL("250 mx.example\r\n"s, dialogue.say("HELO a\r\n"));
    policy.max_message_size = 0;
    Dialogue unlimited(policy);
    CPPUNIT_ASSERT(unlimited.say("EHLO a\r\n").contains("250-SIZE 0\r\n"));
  }

  void pipelining() {  // 17, 31, 32, 33, 34
    std::string batch = start + mail_from + repeat(rcpt_to, 100) + "DATA\r\n";
    Dialogue dialogue;
    Output out;
    CPPUNIT_ASSERT_EQUAL(batch.size(), dialogue.session->feed(batch, out));  // one write for all
    CPPUNIT_ASSERT_EQUAL("250 250 " + repeat("250 ", 100) + "354", Dialogue::codes_of(out.reply));
    expect(mail_from + "RCPT TO:<x\r\nRCPT TO:<y z>\r\nDATA\r\nNOOP\r\n", "250 501 501 554 250");
    const std::string message = mail_from + rcpt_to + "DATA\r\nS: 1\r\n\r\nMAIL FROM:<x@y>\r\n.\r\n";
    expect(start + repeat(message, 3) + "QUIT\r\n", "250 250 250 354 250 250 250 354 250 250 250 354 250 221");
    expect("NOOP\r\nEHLO a\r\nVRFY a\r\nEXPN a\r\nTURN\r\nAUTH X\r\nNOOP\r\nQUIT\r\nNOOP\r\n",
           "250 250 252 502 502 502 250 221");
    Policy patient = usual_policy();
    Dialogue noops(patient);
    CPPUNIT_ASSERT_EQUAL(size_t{1000 * 14}, noops.say(repeat("NOOP\r\n", 1000)).size());
    Policy few = usual_policy();
    few.max_recipients = 2;
    expect(few, mail_from + repeat(rcpt_to, 4) + "DATA\r\n.\r\n" + mail_from + rcpt_to,
           "250 2.1.0 250 2.1.5 250 2.1.5 452 4.5.3 452 4.5.3 354 250 2.0.0 250 2.1.0 250 2.1.5");
  }

  void starttls() {  // 40 to 43
    Policy policy = usual_policy();
    policy.starttls = true;
    expect(policy, "STARTTLS x\r\nSTARTTLS\r\n", "501 5.5.4 220 2.0.0");
    expect(policy, start + mail_from + "STARTTLS\r\n" + rcpt_to, "250 250 503 250");
    policy.tls_required = true;
    expect(policy,
           "EHLO a\r\nNOOP\r\n" + mail_from + rcpt_to + "DATA\r\nRSET\r\nVRFY a\r\nHELP\r\nFOO\r\nHELO a\r\nQUIT\r\n",
           "250 250 530 530 530 530 530 530 500 530 221");
    Dialogue dialogue(policy);
    CPPUNIT_ASSERT_EQUAL("250 530 220"s, dialogue.codes("EHLO plain\r\n" + mail_from + "STARTTLS\r\n"));
    dialogue.tls();
    CPPUNIT_ASSERT(dialogue.session->helo().empty());
    CPPUNIT_ASSERT(!dialogue.say("EHLO safe\r\n").contains("STARTTLS"));
    CPPUNIT_ASSERT_EQUAL("503 250 250 354 250"s,
                         dialogue.codes("STARTTLS\r\n" + mail_from + rcpt_to + "DATA\r\n.\r\n"));
    CPPUNIT_ASSERT_EQUAL("ESMTPS"s, dialogue.messages.at(0).protocol);
    CPPUNIT_ASSERT(
        dialogue.messages[0].trace.contains("with ESMTPS id ID\r\n\t(TLSv1.3 TLS_AES_256_GCM_SHA384 256 bits)\r\n"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ConformanceTest);

}  // namespace
