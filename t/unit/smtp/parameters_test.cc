// Each parameter of MAIL and RCPT, right and wrong; xtext and date-times.
#include "smtp/parameters.h"

#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fmt/format.h>

using namespace smtp_test;
using namespace std::string_literals;

namespace {

// "250", or the refusal's codes.
struct Row {
  std::string text;
  std::string expected;
};

const WallTime now(std::chrono::seconds(1700557500));  // 2023-11-21T09:05:00Z

const Row mail_rows[] = {
    {"", "250"},
    {" ", "501 5.5.4"},
    {" SIZE=1 ", "501 5.5.4"},
    {"  SIZE=1", "250"},
    {"SIZE=1", "501 5.5.4"},
    {" SIZE=1  BODY=7BIT", "250"},
    {" SIZE=1\tBODY=7BIT", "501 5.5.4"},
    {" =1", "501 5.5.4"},
    {" SIZE==1", "501 5.5.4"},
    {" -X=1", "501 5.5.4"},
    {" X_Y=1", "501 5.5.4"},
    {" X=1", "555 5.5.4"},
    {" X", "555 5.5.4"},
    {" NOTIFY=NEVER", "555 5.5.4"},
    {" ORCPT=rfc822;a@b", "555 5.5.4"},
    // RFC 1870
    {" SIZE=0", "250"},
    {" size=1000", "250"},
    {" SIZE=00000000000000001000", "250"},
    {" SIZE=1001", "552 5.3.4"},
    {" SIZE=18446744073709551621", "552 5.3.4"},
    {" SIZE=99999999999999999999", "552 5.3.4"},
    {" SIZE=999999999999999999999", "501 5.5.4"},
    {" SIZE=", "501 5.5.4"},
    {" SIZE", "501 5.5.4"},
    {" SIZE=x", "501 5.5.4"},
    {" SIZE=-1", "501 5.5.4"},
    {" SIZE=+1", "501 5.5.4"},
    {" SIZE=0x10", "501 5.5.4"},
    {" SIZE=1 SIZE=1", "501 5.5.4"},
    {" SIZE=1001 X=1", "555 5.5.4"},
    // RFC 6152, RFC 3030
    {" BODY=7BIT", "250"},
    {" body=8bitmime", "250"},
    {" BODY=BINARYMIME", "250"},
    {" BODY=9BIT", "501 5.5.4"},
    {" BODY=", "501 5.5.4"},
    {" BODY", "501 5.5.4"},
    {" BODY=7BIT BODY=8BITMIME", "501 5.5.4"},
    // RFC 6531
    {" SMTPUTF8", "250"},
    {" SMTPUTF8=x", "501 5.5.4"},
    {" SMTPUTF8=", "501 5.5.4"},
    {" SMTPUTF8 SMTPUTF8", "501 5.5.4"},
    // RFC 3461
    {" RET=FULL", "250"},
    {" ret=hdrs", "250"},
    {" RET=ALL", "501 5.5.4"},
    {" RET", "501 5.5.4"},
    {" RET=FULL RET=HDRS", "501 5.5.4"},
    {" ENVID=QQ314159", "250"},
    {" ENVID=a+2Bb+3D", "250"},
    {" ENVID=" + std::string(100, 'x'), "250"},
    {" ENVID=" + std::string(101, 'x'), "501 5.5.4"},
    {" ENVID=a+2bb", "501 5.5.4"},
    {" ENVID=a+2", "501 5.5.4"},
    {" ENVID=a+0Ab", "501 5.5.4"},
    {" ENVID=a+00b", "501 5.5.4"},
    {" ENVID=", "501 5.5.4"},
    {" ENVID", "501 5.5.4"},
    {" ENVID=a ENVID=a", "501 5.5.4"},
    {" ENVID=\xC3\xBC", "501 5.5.4"},
    // RFC 4954
    {" AUTH=<>", "250"},
    {" AUTH=e+3Dmc2@example.com", "250"},
    {" AUTH=alice", "501 5.5.4"},
    {" AUTH=", "501 5.5.4"},
    {" AUTH", "501 5.5.4"},
    {" AUTH=a@b@c", "501 5.5.4"},
    {" AUTH=a+0Db@c", "501 5.5.4"},
    {" AUTH=a@b>x", "501 5.5.4"},
    {" AUTH=" + std::string(500, 'a') + "@b", "501 5.5.4"},
    // RFC 2852
    {" BY=120;R", "250"},
    {" BY=+120;rt", "250"},
    {" BY=0;N", "250"},
    {" BY=-456;NT", "250"},
    {" BY=999999999;R", "250"},
    {" BY=1000000000;R", "501 5.5.4"},
    {" BY=0;R", "501 5.5.4"},
    {" BY=-5;R", "501 5.5.4"},
    {" BY=120", "501 5.5.4"},
    {" BY=120;", "501 5.5.4"},
    {" BY=120;X", "501 5.5.4"},
    {" BY=120;RX", "501 5.5.4"},
    {" BY=120;RTT", "501 5.5.4"},
    {" BY=;R", "501 5.5.4"},
    {" BY=+-1;N", "501 5.5.4"},
    {" BY=1.5;N", "501 5.5.4"},
    {" BY", "501 5.5.4"},
    {" BY=1;R BY=1;R", "501 5.5.4"},
    // RFC 4865
    {" HOLDFOR=60", "250"},
    {" HOLDFOR=3600", "250"},
    {" HOLDFOR=3601", "501 5.5.4"},
    {" HOLDFOR=0", "501 5.5.4"},
    {" HOLDFOR=-1", "501 5.5.4"},
    {" HOLDFOR=9999999999", "501 5.5.4"},
    {" HOLDFOR=", "501 5.5.4"},
    {" HOLDFOR", "501 5.5.4"},
    {" HOLDUNTIL=2023-11-21T09:06:00Z", "250"},
    {" HOLDUNTIL=2023-11-21t10:06:00+01:00", "250"},
    {" HOLDUNTIL=2023-11-21T09:05:00Z", "501 5.5.4"},
    {" HOLDUNTIL=2023-11-21T10:05:01Z", "501 5.5.4"},
    {" HOLDUNTIL=2023-11-21", "501 5.5.4"},
    {" HOLDUNTIL=1700557600", "501 5.5.4"},
    {" HOLDFOR=60 HOLDUNTIL=2023-11-21T09:06:00Z", "501 5.5.4"},
    {" HOLDFOR=60 HOLDFOR=60", "501 5.5.4"},
    // RFC 6710
    {" MT-PRIORITY=0", "250"},
    {" MT-PRIORITY=9", "250"},
    {" MT-PRIORITY=-9", "250"},
    {" MT-PRIORITY=10", "501 5.5.2"},
    {" MT-PRIORITY=-0", "501 5.5.2"},
    {" MT-PRIORITY=+3", "501 5.5.2"},
    {" MT-PRIORITY=", "501 5.5.4"},
    {" MT-PRIORITY", "501 5.5.2"},
    {" MT-PRIORITY=1 MT-PRIORITY=1", "501 5.5.4"},
    // RFC 8689
    {" REQUIRETLS", "250"},
    {" REQUIRETLS=x", "501 5.5.4"},
    {" REQUIRETLS REQUIRETLS", "501 5.5.4"},
};

const Row rcpt_rows[] = {
    {"", "250"},
    {" NOTIFY=NEVER", "250"},
    {" notify=success,Failure,DELAY", "250"},
    {" NOTIFY=FAILURE", "250"},
    {" NOTIFY=NEVER,SUCCESS", "501 5.5.4"},
    {" NOTIFY=SUCCESS,NEVER", "501 5.5.4"},
    {" NOTIFY=SUCCESS,SUCCESS", "501 5.5.4"},
    {" NOTIFY=SUCCESS,", "501 5.5.4"},
    {" NOTIFY=,SUCCESS", "501 5.5.4"},
    {" NOTIFY=ALWAYS", "501 5.5.4"},
    {" NOTIFY=", "501 5.5.4"},
    {" NOTIFY", "501 5.5.4"},
    {" NOTIFY=DELAY NOTIFY=DELAY", "501 5.5.4"},
    {" ORCPT=rfc822;a@b", "250"},
    {" ORCPT=x400;+2FG+3D", "250"},
    {" ORCPT=rfc822;" + std::string(493, 'x'), "250"},
    {" ORCPT=rfc822;" + std::string(494, 'x'), "501 5.5.4"},
    {" ORCPT=rfc822", "501 5.5.4"},
    {" ORCPT=;a@b", "501 5.5.4"},
    {" ORCPT=rfc822;", "501 5.5.4"},
    {" ORCPT=rfc822;a+4", "501 5.5.4"},
    {" ORCPT=rfc822;a+0D+0Ab", "501 5.5.4"},
    {" ORCPT=rf@c;a", "501 5.5.4"},
    {" ORCPT=rfc822;a=b", "501 5.5.4"},
    {" ORCPT=utf-8;\xC3\xBC@b", "501 5.5.4"},
    {" ORCPT", "501 5.5.4"},
    {" ORCPT=rfc822;a ORCPT=rfc822;a", "501 5.5.4"},
    {" SIZE=1", "555 5.5.4"},
    {" BODY=7BIT", "555 5.5.4"},
    {" NOTIFY=NEVER SIZE=1", "555 5.5.4"},
};

class ParametersTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ParametersTest);
  CPPUNIT_TEST(of_mail);
  CPPUNIT_TEST(of_rcpt);
  CPPUNIT_TEST(what_is_not_offered_is_unknown);
  CPPUNIT_TEST(what_was_said_is_kept);
  CPPUNIT_TEST(internationalized);
  CPPUNIT_TEST(white_space_at_the_end);
  CPPUNIT_TEST(no_limit_of_size);
  CPPUNIT_TEST(xtext);
  CPPUNIT_TEST(date_times);
  CPPUNIT_TEST_SUITE_END();

  static Policy offering_all() {
    Policy policy = generous_policy();
    policy.max_message_size = 1000;
    policy.max_hold = std::chrono::hours(1);
    return policy;
  }
  static ParameterContext secured() { return {.tls = true, .auth_offered = true, .now = now}; }
  static MailParameters good(std::string_view text, const Policy& policy = offering_all()) {
    auto found = mail_parameters(text, policy, secured());
    CPPUNIT_ASSERT_MESSAGE(std::string(text), found.has_value());
    return std::move(*found);
  }
  template <typename Found>
  static std::string outcome(const Found& found) {
    if (found) return "250";
    return fmt::format("{} {}", found.error().reply->code, found.error().reply->enhanced);
  }

  void of_mail() {
    for (const Row& row : mail_rows)
      CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(row.text), row.expected,
                                   outcome(mail_parameters(row.text, offering_all(), secured())));
  }

  void of_rcpt() {
    for (const Row& row : rcpt_rows)
      CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(row.text), row.expected,
                                   outcome(rcpt_parameters(row.text, offering_all(), false)));
  }

  void what_is_not_offered_is_unknown() {
    Policy nothing;
    nothing.size = nothing.eight_bit_mime = false;
    for (const auto* text :
         {" SIZE=1", " BODY=7BIT", " BODY=8BITMIME", " BODY=BINARYMIME", " SMTPUTF8", " RET=FULL", " ENVID=a",
          " AUTH=<>", " BY=1;R", " HOLDFOR=1", " HOLDUNTIL=2023-11-21T09:06:00Z", " MT-PRIORITY=1", " REQUIRETLS"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, "555 5.5.4"s,
                                   outcome(mail_parameters(text, nothing, {.tls = true, .now = now})));
    for (const auto* text : {" NOTIFY=NEVER", " ORCPT=rfc822;a"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, "555 5.5.4"s, outcome(rcpt_parameters(text, nothing, true)));
    // REQUIRETLS is one of TLS sessions only (RFC 8689 §2).
    CPPUNIT_ASSERT_EQUAL("555 5.5.4"s, outcome(mail_parameters(" REQUIRETLS", offering_all(), {.now = now})));
    Policy no_binary = offering_all();
    no_binary.binary_mime = false;
    CPPUNIT_ASSERT_EQUAL("501 5.5.4"s, outcome(mail_parameters(" BODY=BINARYMIME", no_binary, secured())));
  }

  void what_was_said_is_kept() {
    CPPUNIT_ASSERT(good("").body_type == message::BodyType::seven_bit);
    CPPUNIT_ASSERT(good(" BODY=8BITMIME").body_type == message::BodyType::eight_bit_mime);
    CPPUNIT_ASSERT(good(" BODY=BINARYMIME").body_type == message::BodyType::binary_mime);
    const MailParameters all =
        good(" SMTPUTF8 RET=HDRS ENVID=a+2Bb AUTH=x+2By@z BY=-60;NT HOLDFOR=60 MT-PRIORITY=-4 REQUIRETLS");
    CPPUNIT_ASSERT(all.smtputf8 && all.require_tls && all.ret == message::Ret::hdrs);
    CPPUNIT_ASSERT_EQUAL("a+2Bb"s, all.envid);
    CPPUNIT_ASSERT_EQUAL("x+y@z"s, all.auth);
    CPPUNIT_ASSERT(all.deliver_by == (message::DeliverBy{now - std::chrono::seconds(60), 'N', true}));
    CPPUNIT_ASSERT(all.hold_until == now + std::chrono::seconds(60));
    CPPUNIT_ASSERT_EQUAL(-4, int{all.priority});
    CPPUNIT_ASSERT(good(" HOLDUNTIL=2023-11-21T09:06:00Z").hold_until == now + std::chrono::seconds(60));

    const auto rcpt = rcpt_parameters(" NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c", offering_all(), false);
    CPPUNIT_ASSERT_EQUAL(message::notify::success | message::notify::delay, int{rcpt->notify});
    CPPUNIT_ASSERT_EQUAL("rfc822;a+2Bb@c"s, rcpt->orcpt);
  }

  void internationalized() {  // RFC 6533 §3
    const auto of = [](std::string_view text) { return outcome(rcpt_parameters(text, offering_all(), true)); };
    CPPUNIT_ASSERT_EQUAL("250"s, of(" ORCPT=utf-8;gr\xC3\xBC\xC3\x9F@b"));
    CPPUNIT_ASSERT_EQUAL("250"s, of(" ORCPT=utf-8;gr\\x{FC}@b"));
    CPPUNIT_ASSERT_EQUAL("501 5.5.4"s, of(" ORCPT=utf-8;\xFF@b"));
    CPPUNIT_ASSERT_EQUAL("501 5.5.4"s, of(" ORCPT=rfc822;\xC3\xBC@b"));
    CPPUNIT_ASSERT_EQUAL("501 5.5.4"s, of(" NOTIFY=\xC3\xBC"));
  }

  void white_space_at_the_end() {
    Policy policy = offering_all();
    policy.allow_trailing_whitespace = true;
    CPPUNIT_ASSERT_EQUAL("250"s, outcome(mail_parameters(" SIZE=1 \t", policy, secured())));
    CPPUNIT_ASSERT_EQUAL("250"s, outcome(rcpt_parameters(" \t ", policy, false)));
  }

  void no_limit_of_size() {
    Policy policy = offering_all();
    policy.max_message_size = 0;
    CPPUNIT_ASSERT_EQUAL("250"s, outcome(mail_parameters(" SIZE=18446744073709551615", policy, secured())));
    CPPUNIT_ASSERT_EQUAL("552 5.3.4"s, outcome(mail_parameters(" SIZE=18446744073709551616", policy, secured())));
  }

  void xtext() {
    CPPUNIT_ASSERT_EQUAL(""s, *decode_xtext(""));
    CPPUNIT_ASSERT_EQUAL("A+=~!"s, *decode_xtext("+41+2B+3D~!"));
    for (const auto* bad : {"a b", "a=b", "+", "+4", "+4g", "+2b", "a\tb", "\x7F", "+7F", "+00", "+0A", "\xC3\xBC"})
      CPPUNIT_ASSERT_MESSAGE(bad, !decode_xtext(bad));
  }

  void date_times() {
    using std::chrono::seconds;
    CPPUNIT_ASSERT(parse_date_time("1970-01-01T00:00:01Z") == WallTime(seconds(1)));
    CPPUNIT_ASSERT(parse_date_time("2023-11-21T09:05:00Z") == now);
    CPPUNIT_ASSERT(parse_date_time("2023-11-21T09:05:00.999z") == now);
    CPPUNIT_ASSERT(parse_date_time("2023-11-21T04:05:00-05:00") == now);
    CPPUNIT_ASSERT(parse_date_time("2024-02-29T00:00:00Z").has_value());
    for (const auto* bad : {"",
                            "2023-11-21",
                            "2023-11-21T09:05:00",
                            "2023-11-21 09:05:00Z",
                            "2023-02-29T00:00:00Z",
                            "2023-13-01T00:00:00Z",
                            "2023-11-00T00:00:00Z",
                            "2023-11-21T24:00:00Z",
                            "2023-11-21T09:60:00Z",
                            "2023-11-21T09:05:61Z",
                            "2023-11-21T09:05:00.Z",
                            "2023-11-21T09:05:00.5",
                            "2023-11-21T09:05:00Zx",
                            "2023-11-21T09:05:00+1:00",
                            "2023-11-21T09:05:00+24:00",
                            "2023-11-21T09:05:00+0100",
                            "2023-11-21T09:05:00+",
                            "-023-11-21T09:05:00Z",
                            "20x3-11-21T09:05:00Z",
                            "2023-11-21T+9:05:00Z"})
      CPPUNIT_ASSERT_MESSAGE(bad, !parse_date_time(bad));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ParametersTest);

}  // namespace
