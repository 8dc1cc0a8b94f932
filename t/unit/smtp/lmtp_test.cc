// LMTP (RFC 2033): its greeting, and a reply for each recipient.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_test;
using namespace std::string_literals;

namespace {

const std::string open = "LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<>\r\nRCPT TO:<e@f>\r\n";
const std::string opened = "250 250 2.1.0 250 2.1.5 501 5.1.3 250 2.1.5 ";

class LmtpTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LmtpTest);
  CPPUNIT_TEST(greetings);
  CPPUNIT_TEST(a_reply_for_each_recipient);
  CPPUNIT_TEST(chunks);
  CPPUNIT_TEST(nobody_was_accepted);
  CPPUNIT_TEST(offers);
  CPPUNIT_TEST(protocol_words);
  CPPUNIT_TEST_SUITE_END();

  static Policy lmtp() {
    Policy policy = generous_policy();
    policy.lmtp = true;
    return policy;
  }
  static void expect(const Policy& policy, const std::string& input, const std::string& expected, size_t messages) {
    for (const auto& cutting : {whole(), bytes(), random_cuts(1), random_cuts(2)}) {
      Dialogue dialogue(policy, cutting);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), expected, coded(dialogue.say(input)));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), messages, dialogue.messages.size());
    }
  }
  static void expect(const std::string& input, const std::string& expected, size_t messages = 0) {
    expect(lmtp(), input, expected, messages);
  }

  void greetings() {  // 61
    expect("EHLO c\r\nHELO c\r\nLHLO\r\nLHLO c d\r\nLHLO c\r\nlhlo [127.0.0.1]\r\n",
           "500 5.5.1 500 5.5.1 501 501 250 250");
    Policy esmtp = generous_policy();
    expect(esmtp, "LHLO c\r\nNOOP\r\n", "500 5.5.2 250 2.0.0", 0);
    Policy strict = lmtp();
    strict.require_ehlo = true;
    Dialogue dialogue(strict);
    CPPUNIT_ASSERT_EQUAL("503 5.5.1 Send LHLO first\r\n"s, dialogue.say("MAIL FROM:<a@b>\r\n"));
    // It is a reset, as EHLO is.
    expect(open + "LHLO c\r\nDATA\r\n", opened + "250 503 5.5.1");
  }

  void a_reply_for_each_recipient() {  // 62
    expect(open + "DATA\r\nx\r\n.\r\nNOOP\r\n", opened + "354 250 2.0.0 250 2.0.0 250 2.0.0", 1);
    Policy small = lmtp();
    small.max_message_size = 5;
    expect(small, open + "DATA\r\nthis is long\r\n.\r\nNOOP\r\n", opened + "354 552 5.3.4 552 5.3.4 250 2.0.0", 0);
    // The same recipient twice is two recipients (RFC 2033 §4.2).
    expect("LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n",
           "250 250 2.1.0 250 2.1.5 250 2.1.5 354 250 2.0.0 250 2.0.0", 1);
    const std::pair<Errc, std::string> failures[] = {{Errc::io, "451 4.3.0"},
                                                     {Errc::no_space, "452 4.3.1"},
                                                     {Errc::no_files, "451 4.3.2"},
                                                     {Errc::busy, "451 4.3.2"}};
    for (const auto& [code, expected] : failures) {
      Dialogue failing(lmtp());
      failing.host.commit = fail(code, "no");
      CPPUNIT_ASSERT_EQUAL(opened + "354 " + expected + ' ' + expected, coded(failing.say(open + "DATA\r\n.\r\n")));
    }
    Dialogue dialogue(lmtp());
    dialogue.say(open + "DATA\r\nx\r\n.\r\n");
    CPPUNIT_ASSERT(dialogue.messages.at(0).recipients == (std::vector<std::string>{"c@d", "e@f"}));
  }

  void chunks() {  // 64
    expect(open + "BDAT 3\r\nx\r\nBDAT 3 LAST\r\ny\r\nNOOP\r\n", opened + "250 2.0.0 250 2.0.0 250 2.0.0 250 2.0.0", 1);
    Policy small = lmtp();
    small.max_message_size = 5;
    // One reply to the chunk that fails, as many to LAST as there are recipients.
    expect(small, open + "BDAT 6\r\nabcdefBDAT 1\r\nxBDAT 4 LAST\r\nQUITNOOP\r\n",
           opened + "552 5.3.4 503 5.5.1 503 5.5.1 503 5.5.1 250 2.0.0", 0);
    expect(small, open + "BDAT 6 LAST\r\nabcdefNOOP\r\n", opened + "552 5.3.4 552 5.3.4 250 2.0.0", 0);
  }

  void nobody_was_accepted() {  // 63
    const std::string none = "LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<>\r\n";
    expect(none + "DATA\r\nNOOP\r\n", "250 250 2.1.0 501 5.1.3 503 5.5.1 250 2.0.0");
    expect("LHLO c\r\nMAIL FROM:<a@b>\r\nDATA\r\n", "250 250 2.1.0 503 5.5.1");
    // RFC 2033 §4.3: BDAT LAST has as many replies as there were recipients, so none.
    expect(none + "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250 250 2.1.0 501 5.1.3 250 2.0.0");
    expect(none + "BDAT 6\r\nQUIT\r\nBDAT 0 LAST\r\nNOOP\r\n", "250 250 2.1.0 501 5.1.3 503 5.5.1 250 2.0.0");
    // They are errors all the same, and have an end.
    Policy strict = lmtp();
    strict.max_errors = 3;
    expect(strict, "LHLO c\r\n" + repeat("BDAT 0 LAST\r\n", 5), "250 421 4.7.0", 0);
    // Not offered, it is a command that is refused like any other.
    Policy without = lmtp();
    without.chunking = without.binary_mime = false;
    expect(without, open + "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", opened + "502 5.5.1 250 2.0.0", 0);
  }

  void offers() {
    Dialogue dialogue(lmtp());
    const std::string reply = dialogue.say("LHLO c\r\n");
    CPPUNIT_ASSERT(reply.starts_with("250-mx.example\r\n250-PIPELINING\r\n"));
    CPPUNIT_ASSERT(reply.contains("250-ENHANCEDSTATUSCODES\r\n") && reply.contains("250-CHUNKING\r\n"));
    CPPUNIT_ASSERT(dialogue.say("HELP\r\n").contains(" LHLO MAIL "));
  }

  void protocol_words() {  // RFC 3848
    const auto word = [](Dialogue& dialogue, const std::string& input) {
      dialogue.say(input);
      return dialogue.messages.back().protocol;
    };
    const std::string end = "RCPT TO:<c@d>\r\nDATA\r\n.\r\n";
    Dialogue plain(lmtp());
    CPPUNIT_ASSERT_EQUAL("LMTP"s, word(plain, "LHLO c\r\nMAIL FROM:<a@b>\r\n" + end));
    CPPUNIT_ASSERT_EQUAL("UTF8LMTP"s, word(plain, "MAIL FROM:<a@b> SMTPUTF8\r\n" + end));
    CPPUNIT_ASSERT_EQUAL("LMTPA"s, word(plain, "AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\nMAIL FROM:<a@b>\r\n" + end));
    Dialogue secure(lmtp(), whole(), "127.0.0.1", TlsState{.version = "TLSv1.3", .cipher = "X", .bits = 256});
    CPPUNIT_ASSERT_EQUAL("LMTPS"s, word(secure, "LHLO c\r\nMAIL FROM:<a@b>\r\n" + end));
    CPPUNIT_ASSERT_EQUAL("LMTPSA"s, word(secure, "AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\nMAIL FROM:<a@b>\r\n" + end));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(LmtpTest);

}  // namespace
