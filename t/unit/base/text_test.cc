#include "base/text.h"

#include "base/concat.h"
#include "base/html.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace std::string_view_literals;

namespace {

class TextTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TextTest);
  CPPUNIT_TEST(compare_without_case);
  CPPUNIT_TEST(cut_into_parts);
  CPPUNIT_TEST(numbers);
  CPPUNIT_TEST(utf8);
  CPPUNIT_TEST(escapes_are_one_line);
  CPPUNIT_TEST(ascii_in_blocks);
  CPPUNIT_TEST(suggestions);
  CPPUNIT_TEST(digits);
  CPPUNIT_TEST(parts_in_a_row);
  CPPUNIT_TEST(html);
  CPPUNIT_TEST_SUITE_END();

  void digits() {
    const auto text = [](const Digits& digits) { return std::string(std::string_view(digits)); };
    CPPUNIT_ASSERT_EQUAL(std::string("0"), text(Digits(0)));
    CPPUNIT_ASSERT_EQUAL(std::string("00"), text(Digits(0, 2)));
    CPPUNIT_ASSERT_EQUAL(std::string("007"), text(Digits(7, 3)));
    CPPUNIT_ASSERT_EQUAL(std::string("1234"), text(Digits(1234, 2)));
    CPPUNIT_ASSERT_EQUAL(std::string("18446744073709551615"), text(Digits(UINT64_MAX)));
    CPPUNIT_ASSERT_EQUAL(std::string("00000000000000000001"), text(Digits(1, 99)));
    CPPUNIT_ASSERT_EQUAL(std::string("ffffffffffffffff"), text(Digits(UINT64_MAX, 1, 16)));
    CPPUNIT_ASSERT_EQUAL(std::string("0a"), text(Digits(10, 2, 16)));
  }

  void html() {
    const auto escaped = [](std::string_view text) {
      std::string out = ">";
      append_html(out, text);
      return out;
    };
    CPPUNIT_ASSERT_EQUAL(std::string(">"), escaped(""));
    CPPUNIT_ASSERT_EQUAL(std::string(">a/b"), escaped("a/b"));
    CPPUNIT_ASSERT_EQUAL(std::string(">&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;"), escaped("<a href=\"x\">'&amp;"));
  }

  void parts_in_a_row() {
    CPPUNIT_ASSERT_EQUAL(std::string("a-7b"), concat("a", std::string("-"), Digits(7), std::string_view("b")));
    std::string out = "x";
    append(out, "", Digits(1), "y");
    append(out, "z");
    CPPUNIT_ASSERT_EQUAL(std::string("x1yz"), out);
    std::string grown;  // by pieces: amortised, as += is
    for (int i = 0; i < 1000; ++i) append(grown, "ab");
    CPPUNIT_ASSERT_EQUAL(size_t{2000}, grown.size());
    CPPUNIT_ASSERT(grown.capacity() <= 4096);
  }

  void compare_without_case() {
    CPPUNIT_ASSERT(iequals("Listen_Backlog", "LISTEN_backlog"));
    CPPUNIT_ASSERT(!iequals("a", "ab"));
    CPPUNIT_ASSERT(icompare("A", "b") < 0 && icompare("B", "a") > 0 && icompare("a", "A") == 0);
    CPPUNIT_ASSERT_EQUAL(IHash()("FooBar"), IHash()("fOObAR"));
  }
  void cut_into_parts() {
    CPPUNIT_ASSERT_EQUAL(size_t{3}, split("a,,b", ',').size());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, split("", ',').size());
    const auto found = words("  a\t bc ");
    CPPUNIT_ASSERT_EQUAL(size_t{2}, found.size());
    CPPUNIT_ASSERT_EQUAL("bc"sv, found[1]);
    CPPUNIT_ASSERT_EQUAL("x y"sv, trim(" \tx y\r\n"));
  }
  void numbers() {
    CPPUNIT_ASSERT_EQUAL(UINT64_MAX, *parse_unsigned("18446744073709551615"));
    for (const auto text : {""sv, "18446744073709551616"sv, "-1"sv, "+1"sv, "1x"sv, " 1"sv, "0x1"sv})
      CPPUNIT_ASSERT_MESSAGE(std::string(text), !parse_unsigned(text));
    CPPUNIT_ASSERT(!parse_unsigned("11", 10));
  }
  void utf8() {
    CPPUNIT_ASSERT(is_utf8("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"));
    for (const auto text :
         {"\x80"sv, "\xC0\xAF"sv, "\xED\xA0\x80"sv, "\xF5\x80\x80\x80"sv, "\xE2\x82"sv, "\xF0\x80\x80\x80"sv})
      CPPUNIT_ASSERT(!is_utf8(text));
  }
  void escapes_are_one_line() {
    CPPUNIT_ASSERT_EQUAL(std::string("a\\r\\nb\\t\\x00\\x7F\\\\"), escape_line("a\r\nb\t\0\x7F\\"sv));
    CPPUNIT_ASSERT_EQUAL(std::string("\xC3\xA4 \\xFF \\xC2\\x9B"), escape_line("\xC3\xA4 \xFF \xC2\x9B"));
    CPPUNIT_ASSERT_EQUAL(std::string("abc…"), escape_line("abcdef", 3));
  }
  // Wherever the one that is beyond it stands.
  void ascii_in_blocks() {
    for (const size_t size : {0, 1, 63, 64, 65, 127, 128, 129, 200}) {
      std::string text(size, '\x7F');
      CPPUNIT_ASSERT(is_ascii(text));
      for (char& c : text) {
        c = '\x80';
        CPPUNIT_ASSERT(!is_ascii(text));
        c = 'a';
      }
    }
  }

  void suggestions() {
    const std::string_view names[] = {"Listen_Backlog", "Listen", "Linger", "Enable"};
    CPPUNIT_ASSERT_EQUAL("Listen_Backlog"sv, nearest("Lisen_backlgo", names));
    CPPUNIT_ASSERT_EQUAL("Enable"sv, nearest("enabled", names));
    CPPUNIT_ASSERT(nearest("Zebra", names).empty());
    CPPUNIT_ASSERT_EQUAL(1U, edit_distance("ab", "ba"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TextTest);

}  // namespace
