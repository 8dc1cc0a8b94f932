// JSON as it should not be, in the manner of JSONTestSuite: always a 4xx,
// whichever API it is sent to.
#include "api/json.h"

#include "kit.h"

using namespace impulse;
using namespace impulse::api;

namespace {

class JsonTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(JsonTest);
  CPPUNIT_TEST(what_is_no_json);
  CPPUNIT_TEST(what_is_json);
  CPPUNIT_TEST(truncated_anywhere);
  CPPUNIT_TEST(one_byte_wrong_anywhere);
  CPPUNIT_TEST(deep);
  CPPUNIT_TEST(names_twice);
  CPPUNIT_TEST(numbers_in_templates);
  CPPUNIT_TEST_SUITE_END();

  static constexpr std::string_view good_ = R"({"envelope_sender": "a@b.example", "content": "A: b\n\n{{ x }}",
      "recipients": [{"email": "c@d.example", "name": "é\u00e9\ud83d\ude00", "substitutions": {"n": [1, -2.5e3, true, null]}}]})";

  void what_is_no_json() {
    using namespace std::string_view_literals;
    const std::string_view table[] = {
        ""sv,
        " "sv,
        "\n\t"sv,
        "{"sv,
        "}"sv,
        "["sv,
        "]"sv,
        "[1"sv,
        "[1,"sv,
        "[1,]"sv,
        "[,1]"sv,
        "[1 2]"sv,
        "[1]]"sv,
        "{\"a\"}"sv,
        "{\"a\":}"sv,
        "{\"a\" 1}"sv,
        "{\"a\":1,}"sv,
        "{,\"a\":1}"sv,
        "{a:1}"sv,
        "{'a':1}"sv,
        "{1:1}"sv,
        "{\"a\":1 \"b\":2}"sv,
        "{\"a\"::1}"sv,
        "{\"a\":1}}"sv,
        "{\"a\":1} x"sv,
        "{\"a\":1}{\"a\":1}"sv,
        "{\"a\":1},"sv,
        "tru"sv,
        "True"sv,
        "nul"sv,
        "NaN"sv,
        "Infinity"sv,
        "-Infinity"sv,
        "undefined"sv,
        "[tRue]"sv,
        "[01]"sv,
        "[-01]"sv,
        "[1.]"sv,
        "[.1]"sv,
        "[-.1]"sv,
        "[1e]"sv,
        "[1e+]"sv,
        "[+1]"sv,
        "[0x1]"sv,
        "[-]"sv,
        "[1_000]"sv,
        "[1e400]"sv,
        "[-1e400]"sv,
        "[18446744073709551616]"sv,
        "[-9223372036854775809]"sv,
        "[100000000000000000000000000000000]"sv,
        "[\""sv,
        "[\"a]"sv,
        "[\"\\\"]"sv,
        "[\"\\x\"]"sv,
        "[\"\\u\"]"sv,
        "[\"\\u12\"]"sv,
        "[\"\\u12g4\"]"sv,
        "[\"\\U1234\"]"sv,
        "[\"\\ud800\"]"sv,
        "[\"\\udc00\"]"sv,
        "[\"\\ud800\\ud800\"]"sv,
        "[\"\\ud800x\"]"sv,
        "[\"\\ud800\\n\"]"sv,
        "[\"\\udc00\\ud800\"]"sv,
        "{\"\\udc00\":1}"sv,
        "{\"\\ud800\":1}"sv,
        "[\"a\nb\"]"sv,
        "[\"a\tb\"]"sv,
        "[\"a\0b\"]"sv,
        "[\"\x1f\"]"sv,
        "\xEF\xBB\xBF{}"sv,
        "\xFF\xFE{\0}\0"sv,
        "[\"\xff\"]"sv,
        "[\"\xc0\xaf\"]"sv,
        "[\"\xed\xa0\x80\"]"sv,
        "[\"\xf4\x90\x80\x80\"]"sv,
        "[\"\xe9\"]"sv,
        "[\xc3\xa9]"sv,
        "\xff"sv,
        "[1]\0"sv,
        "\0[1]"sv,
        "[1] // x"sv,
        "/* x */ [1]"sv,
        "[1] # x"sv,
        "\x0c[1]"sv,
        "\xc2\xa0[1]"sv,
        "<x/>"sv,
        "a=b&c=d"sv,
        "[\xe2\x80\x9c\x61\xe2\x80\x9d]"sv,
    };
    for (const std::string_view text : table)
      for (const Style style : {Style::transmissions, Style::inject, Style::impulse}) {
        const Made made = make(style, std::string(text));
        CPPUNIT_ASSERT_MESSAGE(std::string(text), !made.has_value());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(text), 400, status_of(made.error().fault));
        CPPUNIT_ASSERT_MESSAGE(std::string(text), made.error().fault == Fault::bad_json);
      }
  }

  void what_is_json() {
    for (const std::string_view text : {"{}", "[]", " \r\n\t{ } ", "5", "\"x\"", "true", "null",
                                        "[18446744073709551615,-9223372036854775808,1e308,-0]", "{\"\":1}",
                                        "[\"\\ud83d\\ude00\\u0000\\/\"]", "[\"\xed\x9f\xbf\"]"}) {
      const auto json = Json::parse(std::string(text));
      CPPUNIT_ASSERT_MESSAGE(std::string(text), json.has_value());
    }
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), outcome(make(Style::inject, std::string(good_))));
  }

  void truncated_anywhere() {
    for (size_t size = 0; size < good_.size(); ++size) {
      const Made made = make(Style::inject, std::string(good_.substr(0, size)));
      CPPUNIT_ASSERT(!made && made.error().fault == Fault::bad_json);
    }
  }

  // Whatever comes of it, it is an answer.
  void one_byte_wrong_anywhere() {
    for (size_t at = 0; at < good_.size(); ++at)
      for (const char c : {'\0', '"', '\\', '{', '}', '[', ',', '\n', '\xFF', '\xED'}) {
        std::string text(good_);
        text[at] = c;
        const std::string got = outcome(make(Style::inject, text));
        CPPUNIT_ASSERT_MESSAGE(text, got == "ok" || got.starts_with("4"));
      }
  }

  void deep() {
    const auto nested = [](size_t depth, std::string_view open, std::string_view middle, std::string_view close) {
      std::string out;
      for (size_t i = 0; i < depth; ++i) out += open;
      out += middle;
      for (size_t i = 0; i < depth; ++i) out += close;
      return out;
    };
    CPPUNIT_ASSERT(Json::parse(nested(60, "[", "1", "]")));
    for (const size_t depth : {size_t{65}, size_t{1000}, size_t{100'000}})
      for (const Style style : {Style::transmissions, Style::inject, Style::impulse}) {
        CPPUNIT_ASSERT_EQUAL(std::string("400 bad_json"),
                             outcome(make(style, nested(depth, "[", "1", "]"))).substr(0, 12));
        CPPUNIT_ASSERT_EQUAL(std::string("400 bad_json"),
                             outcome(make(style, nested(depth, "{\"a\":", "1", "}"))).substr(0, 12));
        CPPUNIT_ASSERT_EQUAL(std::string("400 bad_json"),
                             outcome(make(style, nested(depth, "[{\"a\":", "", ""))).substr(0, 12));
      }
  }

  void names_twice() {
    const std::pair<std::string_view, std::string> table[] = {
        {R"({"a": 1, "a": 2})", "a"},
        {R"({"a": 1, "\u0061": 2})", "a"},
        {R"({"recipients": [{"x": 1}, {"email": "a", "name": "", "email": "b"}]})", "recipients[1].email"},
        {R"({"a": {"b": {"c": 1, "d": 2, "c": 3}}})", "a.b.c"},
        {R"({"": 1, "": 2})", ""},
    };
    for (const auto& [text, field] : table) {
      const Made made = make(Style::transmissions, std::string(text));
      CPPUNIT_ASSERT(!made && made.error().fault == Fault::bad_json);
      CPPUNIT_ASSERT_EQUAL(field, made.error().field);
    }
  }

  void numbers_in_templates() {
    const Made made =
        make(Style::inject, R"({"envelope_sender": "a@b.example", "recipients": [{"email": "c@d.example"}],
        "content": "A: b\n\n{{ v[0] }} {{ v[1] }} {{ v[2] }} {{ v[3] }} {{ v[4] }} {{ v[5] }}",
        "substitutions": {"v": [0, -9223372036854775808, 18446744073709551615, 1.10, 1e3, true]}})");
    contains(built(made), "\r\n0 -9223372036854775808 18446744073709551615 1.1 1000 true");
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(JsonTest);

}  // namespace
