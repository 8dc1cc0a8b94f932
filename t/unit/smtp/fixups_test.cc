// RFC2822_* in a session: what a message gets, what it loses, and when it is
// refused. How each is decided: t/unit/message.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_test;
using namespace std::string_literals;

namespace {

const std::string before = "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
const std::string whole_header = "Date: x\r\nMessage-ID: <x@y>\r\nFrom: <x@y>\r\n\r\n";

class FixupsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(FixupsTest);
  CPPUNIT_TEST(what_is_missing_is_added);
  CPPUNIT_TEST(nothing_is_added_where_that_is_asked);
  CPPUNIT_TEST(no_header_section);
  CPPUNIT_TEST(long_lines);
  CPPUNIT_TEST(results_in_our_name_are_cut_out);
  CPPUNIT_TEST(tls_required_no);
  CPPUNIT_TEST_SUITE_END();

  static Policy quiet() {
    Policy policy = usual_policy();
    policy.trace_headers = false;
    return policy;
  }
  // The message as it is stored, or the codes when there is none.
  static std::string stored(const Policy& policy, const std::string& data) {
    std::string found;
    for (const auto& cutting : {whole(), bytes(), random_cuts(7)}) {
      Dialogue dialogue(policy, cutting);
      const std::string codes = dialogue.codes(before + data + ".\r\n");
      const std::string got =
          dialogue.messages.empty() ? codes : dialogue.messages.front().trace + dialogue.messages.front().body;
      if (!found.empty()) CPPUNIT_ASSERT_EQUAL(found, got);
      found = got;
    }
    return found;
  }

  void what_is_missing_is_added() {
    const std::string got = stored(quiet(), "Subject: s\r\n\r\nhi\r\n");
    CPPUNIT_ASSERT(got.starts_with("Date: Tue, 21 Nov 2023 09:05:00 +0000\r\nMessage-ID: <"));
    CPPUNIT_ASSERT(got.contains("@mx.example>\r\nFrom: <a@b.example>\r\n"));
    CPPUNIT_ASSERT(got.ends_with("Subject: s\r\n\r\nhi\r\n"));
    CPPUNIT_ASSERT_EQUAL(whole_header + "hi\r\n", stored(quiet(), whole_header + "hi\r\n"));
  }
  void nothing_is_added_where_that_is_asked() {
    Policy policy = quiet();
    policy.fixups = {message::AddField::never, message::AddField::never, message::MissingHeaders::accept};
    CPPUNIT_ASSERT_EQUAL("Subject: s\r\n\r\nhi\r\n"s, stored(policy, "Subject: s\r\n\r\nhi\r\n"));
  }
  void no_header_section() {
    Policy policy = quiet();
    policy.fixups.missing = message::MissingHeaders::reject;
    CPPUNIT_ASSERT_EQUAL("250 250 250 354 550"s, stored(policy, "hi there\r\n"));
    CPPUNIT_ASSERT(stored(policy, whole_header).ends_with(whole_header));
  }
  void long_lines() {
    Policy policy = quiet();
    policy.fixups.max_line_length = 100;
    const std::string fits = whole_header + std::string(100, 'x') + "\r\n";
    const std::string over = whole_header + std::string(101, 'x') + "\r\n";
    CPPUNIT_ASSERT_EQUAL(over, stored(policy, over));
    policy.fixups.long_lines = message::LongLines::reject;
    CPPUNIT_ASSERT_EQUAL(fits, stored(policy, fits));
    CPPUNIT_ASSERT_EQUAL("250 250 250 354 550"s, stored(policy, over));
    policy.fixups.long_lines = message::LongLines::wrap;
    CPPUNIT_ASSERT_EQUAL(fits, stored(policy, fits));
    CPPUNIT_ASSERT_EQUAL(whole_header + std::string(100, 'x') + "\r\nx\r\n", stored(policy, over));
  }
  void results_in_our_name_are_cut_out() {  // 71
    CPPUNIT_ASSERT_EQUAL("Authentication-Results: other.example; spf=pass\r\n" + whole_header,
                         stored(quiet(),
                                "Authentication-Results: mx.example;\r\n spf=pass\r\n"
                                "Authentication-Results: other.example; spf=pass\r\n" +
                                    whole_header));
  }
  void tls_required_no() {  // 75
    for (const bool said : {false, true}) {
      Dialogue dialogue;
      dialogue.say(before + (said ? "TLS-Required: No\r\n" : "") + whole_header + ".\r\n");
      CPPUNIT_ASSERT_EQUAL(said, dialogue.messages.at(0).envelope.tls_optional);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(FixupsTest);

}  // namespace
