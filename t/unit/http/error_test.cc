// Errors as JSON, and the small words.
#include "http/error.h"
#include "base/text.h"
#include "http/syntax.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace impulse;
using namespace impulse::http;

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

class ErrorTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ErrorTest);
  CPPUNIT_TEST(shape);
  CPPUNIT_TEST(strings);
  CPPUNIT_TEST(dates);
  CPPUNIT_TEST(sizes);
  CPPUNIT_TEST_SUITE_END();

  void shape() {
    const Response one = error_response(
        422, {.code = "1902", .message = "No", .description = "Say \"yes\"", .field = "recipients[3].address"});
    CPPUNIT_ASSERT_EQUAL(422, one.status);
    CPPUNIT_ASSERT(one.fields == (std::vector<Field>{{"Content-Type", "application/json"}}));
    CPPUNIT_ASSERT_EQUAL(std::string(R"({"errors":[{"message":"No","code":"1902","description":"Say \"yes\"",)"
                                     R"("field":"recipients[3].address"}]})"),
                         one.body);
    const std::vector<ErrorItem> both{{.code = "a", .message = "A"}, {.code = "b", .message = "B", .field = "f"}};
    CPPUNIT_ASSERT_EQUAL(
        std::string(R"({"errors":[{"message":"A","code":"a"},{"message":"B","code":"b","field":"f"}]})"),
        errors_json(both));
    CPPUNIT_ASSERT_EQUAL(std::string(R"({"errors":[]})"), errors_json({}));
  }

  void strings() {
    CPPUNIT_ASSERT_EQUAL(std::string(R"("a\"\\/b")"), json("a\"\\/b"));
    CPPUNIT_ASSERT_EQUAL(std::string(R"("\u000a\u000d\u0009\u007f")"), json("\n\r\t\x7F"));
    CPPUNIT_ASSERT_EQUAL(std::string("\"\\u0000\""), json(std::string_view("\0", 1)));
    CPPUNIT_ASSERT_EQUAL(std::string("\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\""),
                         json("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"));
    CPPUNIT_ASSERT_EQUAL(std::string(R"("\ufffda\ufffd\ufffd")"), json("\xC3"
                                                                       "a\xC0\xAF"));
    CPPUNIT_ASSERT_EQUAL(std::string(R"("\ufffd\ufffd\ufffd")"), json("\xED\xA0\x80"));
    CPPUNIT_ASSERT_EQUAL(std::string(R"("\ufffd")"), json("\xF0"));
    for (int c = 0; c < 256; ++c) CPPUNIT_ASSERT(is_utf8(json(std::string(1, static_cast<char>(c)))));
  }

  void dates() {
    const auto date = [](long long seconds) { return http_date(WallTime(std::chrono::seconds(seconds))); };
    CPPUNIT_ASSERT_EQUAL(std::string("Thu, 01 Jan 1970 00:00:00 GMT"), date(0));
    CPPUNIT_ASSERT_EQUAL(std::string("Sun, 06 Nov 1994 08:49:37 GMT"), date(784111777));
    CPPUNIT_ASSERT_EQUAL(std::string("Thu, 29 Feb 2024 23:59:59 GMT"), date(1709251199));
    CPPUNIT_ASSERT_EQUAL(std::string("Wed, 31 Dec 1969 23:59:59 GMT"), date(-1));
  }

  void sizes() {
    CPPUNIT_ASSERT(decimal("18446744073709551615") == UINT64_MAX);
    CPPUNIT_ASSERT(!decimal("18446744073709551616") && !decimal("") && !decimal(" 1") && !decimal("1 "));
    CPPUNIT_ASSERT(chunk_size("FfFfffffffffffff") == UINT64_MAX);
    CPPUNIT_ASSERT(!chunk_size("") && !chunk_size(";a") && !chunk_size("1;a=\"\\\""));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ErrorTest);

}  // namespace
