// BDAT and BINARYMIME (RFC 3030): sizes, sequence, failures, bytes. Every row
// runs whole, byte by byte and at random cuts.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_test;
using namespace std::string_literals;

namespace {

const std::string start = "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
const std::string binary = "EHLO c\r\nMAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\n";
const std::string opened = "250 250 2.1.0 250 2.1.5 ";

std::string chunk(std::string_view octets, bool last = false) {
  return "BDAT " + std::to_string(octets.size()) + (last ? " LAST" : "") + "\r\n" + std::string(octets);
}

class ChunkTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ChunkTest);
  CPPUNIT_TEST(messages);
  CPPUNIT_TEST(bytes_are_kept);
  CPPUNIT_TEST(sequence);
  CPPUNIT_TEST(failures);
  CPPUNIT_TEST(sizes_that_cannot_be_read);
  CPPUNIT_TEST(lines_that_are_too_long);
  CPPUNIT_TEST(a_place_is_given_back);
  CPPUNIT_TEST(refused_chunks_are_consumed);
  CPPUNIT_TEST(not_offered);
  CPPUNIT_TEST(admission);
  CPPUNIT_TEST(what_is_dropped_takes_no_memory);
  CPPUNIT_TEST(many_small_chunks);
  CPPUNIT_TEST(ends);
  CPPUNIT_TEST_SUITE_END();

  static void expect(const Policy& policy, const std::string& input, const std::string& expected,
                     const std::vector<std::string>& bodies = {}) {
    const auto check = [&](Cutting cutting) {
      Dialogue dialogue(policy, std::move(cutting));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), expected, coded(dialogue.say(input)));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), bodies.size(), dialogue.messages.size());
      for (size_t i = 0; i < bodies.size(); ++i)
        CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), bodies[i], dialogue.messages[i].body);
    };
    check(whole());
    check(bytes());
    for (unsigned seed = 0; seed < 3; ++seed) check(random_cuts(seed));
  }
  static void expect(const std::string& input, const std::string& expected,
                     const std::vector<std::string>& bodies = {}) {
    expect(generous_policy(), input, expected, bodies);
  }

  void messages() {
    expect(start + chunk("S: x\r\n\r\nhi\r\n", true) + "NOOP\r\n", opened + "250 2.0.0 250 2.0.0",
           {"S: x\r\n\r\nhi\r\n"});
    expect(start + chunk("S: x\r\n") + chunk("\r\nh") + chunk("i\r\n") + "BDAT 0 LAST\r\n",
           opened + "250 2.0.0 250 2.0.0 250 2.0.0 250 2.0.0", {"S: x\r\n\r\nhi\r\n"});
    expect(start + "BDAT 0\r\nBDAT 0\r\n" + chunk("x\r\n", true), opened + "250 2.0.0 250 2.0.0 250 2.0.0", {"x\r\n"});
    expect(start + "bdat 3 last\r\nx\r\n", opened + "250 2.0.0", {"x\r\n"});
    expect(start + "BDAT 000000000000000000000003 LAST\r\nx\r\n", opened + "250 2.0.0", {"x\r\n"});
    // Two in one session.
    expect(start + chunk("1\r\n", true) + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" + chunk("2\r\n", true),
           opened + "250 2.0.0 250 2.1.0 250 2.1.5 250 2.0.0", {"1\r\n", "2\r\n"});
    Dialogue said(generous_policy());
    CPPUNIT_ASSERT(said.say(start + "BDAT 3\r\nx\r\n").ends_with("250 2.0.0 3 octets received\r\n"));
  }

  void bytes_are_kept() {
    // Dots and what looks like an end, or like commands, is content.
    const std::string tricky = "S: x\r\n\r\n.\r\n..\r\n\r\n.\r\nMAIL FROM:<x@y>\r\nQUIT\r\nBDAT 5 LAST\r\n";
    expect(start + chunk(tricky, true), opened + "250 2.0.0", {tricky});
    expect(start + chunk(tricky.substr(0, 9)) + chunk(tricky.substr(9), true), opened + "250 2.0.0 250 2.0.0",
           {tricky});
    // A CRLF over a border is one; text ends in CRLF.
    expect(start + chunk("a\r") + chunk("\nb", true), opened + "250 2.0.0 250 2.0.0", {"a\r\nb\r\n"});
    expect(start + "BDAT 0 LAST\r\n", opened + "250 2.0.0", {"\r\n"});
    // Binary: nothing is anything.
    const std::string raw = "\0\r\n.\r\n\n\r\xFF\0\r"s;
    expect(binary + chunk(raw, true), opened + "250 2.0.0", {raw});
    expect(binary + "BDAT 0 LAST\r\n", opened + "250 2.0.0", {""});
  }

  void sequence() {
    expect("EHLO c\r\n" + chunk("QUIT\r\n", true), "250 503 5.5.1");
    expect("EHLO c\r\nMAIL FROM:<a@b>\r\n" + chunk("QUIT\r\n", true) + "RCPT TO:<c@d>\r\n",
           "250 250 2.1.0 503 5.5.1 503 5.5.1");
    expect("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<>\r\n" + chunk("x\r\n", true), "250 250 2.1.0 501 5.1.3 554 5.5.1");
    // RFC 3030 §2: DATA and RCPT may not follow, MAIL neither; RSET and NOOP may.
    expect(start + chunk("x\r\n") + "DATA\r\nRCPT TO:<e@f>\r\nMAIL FROM:<a@b>\r\nNOOP\r\n" + chunk("y\r\n", true),
           opened + "250 2.0.0 503 5.5.1 503 5.5.1 503 5.5.1 250 2.0.0 250 2.0.0", {"x\r\ny\r\n"});
    expect(start + chunk("x\r\n") + "RSET\r\n" + chunk("y\r\n", true), opened + "250 2.0.0 250 2.0.0 503 5.5.1");
    expect(start + chunk("x\r\n") + "EHLO c\r\n" + chunk("y\r\n", true), opened + "250 2.0.0 250 503 5.5.1");
    expect(binary + "DATA\r\n" + chunk("x", true), opened + "503 5.5.1 250 2.0.0", {"x"});
    expect(start + chunk("x\r\n", true) + chunk("y\r\n", true), opened + "250 2.0.0 503 5.5.1", {"x\r\n"});
    // An AUTH, a STARTTLS or an XCLIENT between chunks is out of sequence too.
    expect(start + chunk("x\r\n") + "AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\nSTARTTLS\r\nXCLIENT NAME=x\r\n",
           opened + "250 2.0.0 503 5.5.1 503 5.5.1 503 5.5.1");
  }

  void failures() {
    Policy small = generous_policy();
    small.max_message_size = 10;
    // After the fault each chunk fails until LAST or RSET, and all are read.
    expect(small, start + chunk("0123456789a") + chunk("QUIT\r\n") + chunk("QUIT\r\n", true) + "MAIL FROM:<a@b>\r\n",
           opened + "552 5.3.4 503 5.5.1 503 5.5.1 250 2.1.0");
    expect(small, start + chunk("0123456789a") + "RSET\r\nMAIL FROM:<a@b>\r\n",
           opened + "552 5.3.4 250 2.0.0 250 2.1.0");
    expect(small, start + chunk("0123456789a", true) + "MAIL FROM:<a@b>\r\n", opened + "552 5.3.4 250 2.1.0");
    expect(small, start + chunk("01234567\r\n", true), opened + "250 2.0.0", {"01234567\r\n"});
    expect(small, start + chunk("0123456789", true), opened + "552 5.3.4");  // the CRLF that is missing counts
    expect(small, binary + chunk("0123456789", true), opened + "250 2.0.0", {"0123456789"});
    // Lone line ends in text.
    for (const auto* bad : {"a\nb\r\n", "a\rb\r\n", "a\r\r\n", "\n", "x\r\n\n.\n"})
      expect(start + chunk(bad, true) + "NOOP\r\n", opened + "550 5.6.0 250 2.0.0");
    expect(start + chunk("a\r", true), opened + "550 5.6.0");
    expect(start + chunk("a\r") + chunk("b\r\n", true), opened + "250 2.0.0 550 5.6.0");
    Policy fixing = generous_policy();
    fixing.lone_lf_body = fixing.lone_lf_headers = Policy::LoneLf::fix;
    expect(fixing, start + chunk("a\nb\rc\r", true), opened + "250 2.0.0", {"a\r\nb\r\nc\r\n"});
    Policy loops = generous_policy();
    loops.max_received_headers = 1;
    expect(loops, start + chunk("Received: a\r\nReceived: b\r\n", true), opened + "554 5.4.6");
    // The spool fails: 451, and the transaction is over.
    Dialogue failing(generous_policy());
    failing.host.commit = fail(Errc::io, "no");
    CPPUNIT_ASSERT_EQUAL(opened + "451 4.3.0 503 5.5.1",
                         coded(failing.say(start + chunk("x\r\n", true) + chunk("y", true))));
  }

  void sizes_that_cannot_be_read() {
    for (const auto* size :
         {"", " ", " -1", " +1", " 0x10", " 1e3", " 1.0", " LAST", " x LAST", " 18446744073709551616", " 1 LAST LAST",
          " 1 FIRST", " 99999999999999999999999999 LAST", " 1,2", " \xC2\xB2"})
      for (const std::string& before : {start, "EHLO c\r\n"s}) {
        Dialogue dialogue(generous_policy());
        dialogue.say(before);
        const std::string reply = coded(dialogue.say("BDAT"s + size + "\r\nMAIL FROM:<x@y>\r\nQUIT\r\n"));
        // What is no text is refused as such; then the payload is commands, and the client knows.
        if (is_ascii(size)) CPPUNIT_ASSERT_EQUAL_MESSAGE(size, "521 5.5.4"s, reply);
        CPPUNIT_ASSERT_MESSAGE(size, dialogue.closed && dialogue.messages.empty());
      }
  }

  // Its octets would run as commands.
  void lines_that_are_too_long() {
    const std::string behind = "MAIL FROM:<x@y>\r\nNOOP\r\n";
    for (const std::string& line : {"BDAT " + std::string(600, '0') + "25 LAST",
                                    "bdat 25 LAST" + std::string(3000, ' '), "BDAT " + std::string(100000, 'x')}) {
      Policy policy = generous_policy();
      policy.max_command_length = 512;
      expect(policy, start + line + "\r\n" + behind, opened + "521 5.5.4");
      policy.deny = true;
      expect(policy, line + "\r\n" + behind, "521 5.5.4");
      policy.deny = false;
      // Others have no octets, nor has what comes behind them.
      expect(policy, "NOOP\r\nBDATA" + line + "\r\nBDA" + line + "\r\nNOOP " + line + "\r\nNOOP\r\n",
             "250 2.0.0 500 5.5.2 500 5.5.2 500 5.5.2 250 2.0.0");
    }
    // A denied client's octets are none either.
    Policy policy = generous_policy();
    policy.deny = true;
    expect(policy, chunk("QUIT\r\n") + chunk("QUIT\r\n", true) + "NOOP\r\n", "503 5.5.1 503 5.5.1 503 5.5.1");
  }

  // What the owner has counted for a message that does not come.
  void a_place_is_given_back() {
    const std::string begun = start + chunk("x");
    for (const char* end : {"RSET\r\n", "EHLO c\r\n"}) {
      Dialogue dialogue(generous_policy());
      dialogue.say(begun);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(end, 0, dialogue.host.abandoned_transactions);
      dialogue.say(end);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(end, 1, dialogue.host.abandoned_transactions);
      dialogue.say("RSET\r\n");
      CPPUNIT_ASSERT_EQUAL_MESSAGE(end, 1, dialogue.host.abandoned_transactions);
    }
    Dialogue ended(generous_policy());
    ended.say(begun + "QUIT\r\n");
    CPPUNIT_ASSERT_EQUAL(1, ended.host.abandoned_transactions);
    Dialogue late(generous_policy());
    late.say(begun);
    Output out;
    late.session->timed_out(out);
    CPPUNIT_ASSERT_EQUAL(1, late.host.abandoned_transactions);
    Dialogue taken(generous_policy());
    taken.say(start + chunk("x", true) + "RSET\r\n");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, taken.messages.size());
    CPPUNIT_ASSERT_EQUAL(0, taken.host.abandoned_transactions);
  }

  void refused_chunks_are_consumed() {
    Policy strict = generous_policy();
    strict.auth_required = true;
    expect(strict, "EHLO c\r\n" + chunk("QUIT\r\n") + chunk("QUIT\r\n", true), "250 530 5.7.0 530 5.7.0");
    strict.auth_required = false;
    strict.tls_required = true;
    expect(strict, "EHLO c\r\n" + chunk("QUIT\r\n", true), "250 530 5.7.0");
    // A session of lone LFs can send no message, in chunks neither; its octets are octets all the same.
    expect("EHLO c\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nBDAT 5 LAST\nQUIT\nNOOP\n", opened + "500 5.5.2 250 2.0.0");
    // The largest size there is: nothing overflows, nothing is kept.
    Dialogue endless(generous_policy());
    CPPUNIT_ASSERT_EQUAL("250"s, coded(endless.say("EHLO c\r\nBDAT 18446744073709551615\r\nQUIT\r\n")));
    CPPUNIT_ASSERT_EQUAL(""s, endless.say("QUIT\r\n"));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, endless.session->held());
  }

  void not_offered() {
    Policy policy = generous_policy();
    policy.chunking = policy.binary_mime = false;
    expect(policy, start + chunk("QUIT\r\n", true) + "RCPT TO:<e@f>\r\n", opened + "502 5.5.1 250 2.1.5");
    expect(policy, "MAIL FROM:<a@b> BODY=BINARYMIME\r\n", "501 5.5.4");
    Dialogue dialogue(policy);
    const std::string ehlo = dialogue.say("EHLO c\r\n");
    CPPUNIT_ASSERT(!ehlo.contains("CHUNKING") && !ehlo.contains("BINARYMIME"));
  }

  void admission() {
    Dialogue full(generous_policy());
    full.say(start);
    full.host.admission = fail(Errc::no_space, "");
    CPPUNIT_ASSERT_EQUAL("452 4.3.1 503 5.5.1 503 5.5.1"s,
                         coded(full.say(chunk("QUIT\r\n") + chunk("QUIT\r\n") + chunk("x", true))));
    CPPUNIT_ASSERT(!full.session->in_transaction());

    Dialogue throttled(generous_policy());
    throttled.say(start);
    throttled.host.not_admitted = HostRefusal{451, "4.7.1", "throttle", "Too many messages"};
    CPPUNIT_ASSERT_EQUAL("451 4.7.1 Too many messages\r\n"s, throttled.say(chunk("QUIT\r\n")));
    CPPUNIT_ASSERT_EQUAL("451 throttle"s, throttled.host.causes.back());
    Dialogue over(generous_policy());
    over.say(start);
    over.host.not_admitted = HostRefusal{421, "4.3.2", "limit", "Too long a session"};
    CPPUNIT_ASSERT_EQUAL("421 4.3.2 Too long a session\r\n"s, over.say("BDAT 10000\r\n"));
    CPPUNIT_ASSERT(over.closed);
  }

  void what_is_dropped_takes_no_memory() {
    for (const auto* end : {"RSET\r\n", "EHLO c\r\n", "BDAT 1 LAST\r\n\n"}) {
      Dialogue dialogue(generous_policy());
      dialogue.say(start + chunk(std::string(100000, 'x')));
      CPPUNIT_ASSERT_EQUAL(size_t{100000}, dialogue.session->held());
      dialogue.say(end);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(end, size_t{0}, dialogue.session->held());
    }
  }

  void many_small_chunks() {
    Dialogue dialogue(generous_policy());
    dialogue.say(start);
    std::string input;
    for (int i = 0; i < 2000; ++i) input += "BDAT 1\r\nx";
    for (int i = 0; i < 10; ++i) {
      std::string expected;
      for (int n = 0; n < 2000; ++n) expected += "250 2.0.0 1 octets received\r\n";
      CPPUNIT_ASSERT_EQUAL(expected, dialogue.say(input));
    }
    CPPUNIT_ASSERT_EQUAL(size_t{20000}, dialogue.session->held());
    CPPUNIT_ASSERT_EQUAL("250 2.0.0"s, coded(dialogue.say("BDAT 2 LAST\r\n\r\n")));
    CPPUNIT_ASSERT_EQUAL(std::string(20000, 'x') + "\r\n", dialogue.messages.at(0).body);
  }

  void ends() {
    // In the middle of a chunk: time-out, shut-down, end of the connection.
    Dialogue slow(generous_policy());
    slow.say(start + "BDAT 10\r\nabc");
    CPPUNIT_ASSERT(slow.last.waiting == Waiting::data);
    CPPUNIT_ASSERT_EQUAL("data"s, std::string(slow.session->state()));
    Output out;
    slow.session->timed_out(out);
    CPPUNIT_ASSERT(out.reply.starts_with("421 4.4.2 ") && out.next == Next::close);

    Dialogue asked(generous_policy());
    asked.say(start + "BDAT 10\r\nabc");
    Output none;
    asked.session->shut_down("4.3.2 Bye", none);
    CPPUNIT_ASSERT(none.reply.empty() && none.next == Next::read);
    CPPUNIT_ASSERT_EQUAL("250 2.0.0 250 2.0.0 421 4.3.2"s, coded(asked.say("defg\r\n\r" + chunk("\n", true))));
    CPPUNIT_ASSERT(asked.closed);
    CPPUNIT_ASSERT_EQUAL("abcdefg\r\n\r\n"s, asked.messages.at(0).body);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ChunkTest);

}  // namespace
