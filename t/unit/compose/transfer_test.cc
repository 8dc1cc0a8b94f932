#include "compose/transfer.h"

#include "base/text.h"

#include "kit.h"

using namespace impulse;
using namespace impulse::compose;

namespace {

class TransferTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TransferTest);
  CPPUNIT_TEST(line_ends);
  CPPUNIT_TEST(base64_both_ways);
  CPPUNIT_TEST(bad_base64);
  CPPUNIT_TEST(texts);
  CPPUNIT_TEST_SUITE_END();

  void line_ends() {
    const std::pair<std::string_view, std::string> table[] = {
        {"", ""},
        {"a", "a"},
        {"a\nb", "a\r\nb"},
        {"a\r\nb", "a\r\nb"},
        {"a\rb", "a\r\nb"},
        {"\r\r\n\n", "\r\n\r\n\r\n"},
        {"a\n\rb", "a\r\n\r\nb"},
    };
    for (const auto& [text, lines] : table) CPPUNIT_ASSERT_EQUAL(lines, with_line_ends(text));
    CPPUNIT_ASSERT_EQUAL(std::string("a\nb\n\nc"), with_line_ends("a\r\nb\r\rc", "\n"));
  }

  void base64_both_ways() {
    std::string bytes;
    for (int size = 0; size < 300; ++size) {
      const std::string lines = base64_lines(bytes);
      for (const std::string_view line : split(lines, '\n')) CPPUNIT_ASSERT(line.size() <= 77);
      CPPUNIT_ASSERT_EQUAL(bytes, *base64_decoded(lines));
      CPPUNIT_ASSERT_EQUAL(lines, *base64_checked(base64(bytes)));
      bytes += static_cast<char>(size * 7);
    }
    CPPUNIT_ASSERT_EQUAL(std::string("YWJj\r\n"), *base64_checked(" YW\r\nJj\n"));
    for (const std::string_view bare : {"YQ", "YQ=", "YQ==", "Y Q"})
      CPPUNIT_ASSERT_EQUAL(std::string("YQ==\r\n"), *base64_checked(bare, false));
    CPPUNIT_ASSERT_EQUAL(std::string("YWI=\r\n"), *base64_checked("YWI", false));
    for (const std::string_view bad : {"Y", "=", "==", "YR", "YWK", "YWJj=", "YQ==="})
      CPPUNIT_ASSERT_MESSAGE(std::string(bad), !base64_checked(bad, false));
  }

  void bad_base64() {
    for (const std::string_view bad : {"Y", "YW", "YWI", "Y===", "=", "====", "YW=j", "YW==YWJj", "YWJj=", "YW-j",
                                       "YWJ\xC3", "YX==", "YWK=", "YWJj\\"}) {
      CPPUNIT_ASSERT_MESSAGE(std::string(bad), !base64_checked(bad));
      CPPUNIT_ASSERT_MESSAGE(std::string(bad), !base64_decoded(bad));
    }
  }

  void texts() {
    const auto encoding = [](std::string_view text) { return std::string(encode_text(text).encoding); };
    CPPUNIT_ASSERT_EQUAL(std::string("7bit"), encoding("Hello\nyou"));
    CPPUNIT_ASSERT_EQUAL(std::string("Hello\r\nyou\r\n"), encode_text("Hello\nyou").text);
    CPPUNIT_ASSERT_EQUAL(std::string("7bit"), encoding(std::string(998, 'x')));
    CPPUNIT_ASSERT_EQUAL(std::string("quoted-printable"), encoding(std::string(999, 'x')));
    CPPUNIT_ASSERT_EQUAL(std::string("quoted-printable"), encoding("Grüße an alle Leute"));
    CPPUNIT_ASSERT_EQUAL(std::string("base64"), encoding("日本語"));
    // What could be taken for a boundary of ours is not left as it is.
    CPPUNIT_ASSERT_EQUAL(std::string("quoted-printable"), encoding("x\n--=_mixed--\n"));
    CPPUNIT_ASSERT(!encode_text("x\n--=_mixed--\n").text.contains("=_"));
    CPPUNIT_ASSERT_EQUAL(std::string("base64"), std::string(encode_text("x", true).encoding));
    for (const std::string& text :
         {std::string(5000, 'x'), std::string(3000, ' ') + "ä", std::string("a\r\rä\n.\n.. ä\n")}) {
      const Encoded encoded = encode_text(text);
      CPPUNIT_ASSERT(encoded.text.ends_with("\r\n") && is_ascii(encoded.text));
      CPPUNIT_ASSERT_EQUAL(count(encoded.text, "\n"), count(encoded.text, "\r\n"));
      CPPUNIT_ASSERT_EQUAL(count(encoded.text, "\r"), count(encoded.text, "\r\n"));
      for (const std::string_view line : split(encoded.text, '\n')) CPPUNIT_ASSERT(line.size() <= 78);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TransferTest);

}  // namespace
