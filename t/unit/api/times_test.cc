#include "api/times.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <utility>

using namespace impulse;
using namespace impulse::api;

namespace {

class TimesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TimesTest);
  CPPUNIT_TEST(good);
  CPPUNIT_TEST(bad);
  CPPUNIT_TEST_SUITE_END();

  void good() {
    const std::pair<std::string_view, int64_t> table[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2023-11-21T09:05:00+00:00", 1700557500},
        {"2023-11-21T11:05:00+02:00", 1700557500},
        {"2023-11-20T23:05:00-10:00", 1700557500},
        {"2023-11-21t09:05:00.000z", 1700557500},
        {"2024-02-29T00:00:00Z", 1709164800},
    };
    for (const auto& [text, seconds] : table) {
      const auto time = parse_time(text);
      CPPUNIT_ASSERT_MESSAGE(std::string(text), time.has_value());
      CPPUNIT_ASSERT(*time == WallTime(std::chrono::seconds(seconds)));
    }
    CPPUNIT_ASSERT(*parse_time("1970-01-01T00:00:00.1234567Z") == WallTime(std::chrono::microseconds(123456)));
  }

  void bad() {
    for (const std::string_view text :
         {"", "now", "2023-11-21", "2023-11-21T09:05:00", "2023-11-21T09:05Z", "2023-13-21T09:05:00Z",
          "2023-02-29T00:00:00Z", "2023-11-21T24:05:00Z", "2023-11-21T09:60:00Z", "2023-11-21T09:05:00+0200",
          "2023-11-21T09:05:00+02:0", "2023-11-21T09:05:00Zx", "2023-11-21 09:05:00Z", "2023-11-21T09:05:00.Z",
          "02023-11-21T09:05:00Z", "-023-11-21T09:05:00Z", "2023-11-21T09:05:00+24:00", "2023-00-21T09:05:00Z"})
      CPPUNIT_ASSERT_MESSAGE(std::string(text), !parse_time(text));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TimesTest);

}  // namespace
