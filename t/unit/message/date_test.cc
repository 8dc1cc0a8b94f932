// Dates of mail, as RFC 5322 has them and as they are met.
#include "message/date.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <string>

using namespace impulse;
using message::parse_date;

class DateTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(DateTest);
  CPPUNIT_TEST(dates);
  CPPUNIT_TEST(what_is_none);
  CPPUNIT_TEST_SUITE_END();

  static void expect(const char* text, int64_t seconds) {
    const auto found = parse_date(text);
    CPPUNIT_ASSERT_MESSAGE(text, found.has_value());
    CPPUNIT_ASSERT_EQUAL_MESSAGE(text, seconds,
                                 std::chrono::duration_cast<std::chrono::seconds>(found->time_since_epoch()).count());
  }

  void dates() {
    expect("Thu, 01 Jan 1970 00:00:00 +0000", 0);
    expect("Tue, 8 Mar 2005 14:00:00 -0400", 1110304800);
    expect("8 mar 2005 14:00 -0400", 1110304800);
    expect(" Tue ,8  MAR\t2005 23:30:00\t+0530 (a (comment) here) ", 1110304800);
    expect("Tue, 08 Mar 05 18:00:00 UTC", 1110304800);
    expect("Tue, 08 Mar 105 18:00:00 GMT", 1110304800);
    expect("Tue, 8 Mar 2005 14:00:00 EDT", 1110304800);
    expect("Tue, 8 Mar 2005 18:00:00 Z", 1110304800);
    expect("Tue, 8 Mar 2005 18:00:00 nobody", 1110304800);
    expect("1 Jan 70 00:00:00 -0000", 0);
    expect("31 Dec 1969 23:59:60 +0000", 0);
    expect("1 Jan 1900 00:00:00 +0000", -2208988800);
    expect("29 Feb 2024 00:00:00 +0000", 1709164800);
  }

  void what_is_none() {
    for (const char* text : {"",
                             ",",
                             "now",
                             "Thu, 01 Jan 1970",
                             "Thu, 01 Jan 1970 00:00:00",
                             "32 Jan 2026 00:00:00 +0000",
                             "29 Feb 2026 00:00:00 +0000",
                             "0 Jan 2026 00:00:00 +0000",
                             "1 Foo 2026 00:00:00 +0000",
                             "1 Jan 1899 00:00:00 +0000",
                             "1 Jan 20266 00:00:00 +0000",
                             "1 Jan 6 00:00:00 +0000",
                             "1 Jan 2026 24:00:00 +0000",
                             "1 Jan 2026 00:60:00 +0000",
                             "1 Jan 2026 00:00:61 +0000",
                             "1 Jan 2026 00:0:00 +0000",
                             "1 Jan 2026 00 +0000",
                             "1 Jan 2026 00:00:00:00 +0000",
                             "1 Jan 2026 00:00:00 +000",
                             "1 Jan 2026 00:00:00 +0060",
                             "1 Jan 2026 00:00:00 +00:00",
                             "1 Jan 2026 00:00:00 G-T",
                             "1 Jan 2026 00:00:00 +0000 x",
                             "-1 Jan 2026 00:00:00 +0000",
                             "2026-01-01T00:00:00Z",
                             "Thu, 01 Jan, 1970 00:00:00 +0000"})
      CPPUNIT_ASSERT_MESSAGE(text, !parse_date(text));
    CPPUNIT_ASSERT(!parse_date(std::string(1000000, '(') + "1 Jan 2026 00:00:00 +0000"));
    CPPUNIT_ASSERT(!parse_date(std::string(1000000, '1')));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(DateTest);
