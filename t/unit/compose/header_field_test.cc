#include "compose/header_field.h"

#include "base/text.h"
#include "compose/transfer.h"

#include "kit.h"

using namespace impulse;
using namespace impulse::compose;

namespace {

class HeaderFieldTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HeaderFieldTest);
  CPPUNIT_TEST(folds);
  CPPUNIT_TEST(refuses);
  CPPUNIT_TEST(encodes);
  CPPUNIT_TEST(words_hold_whole_characters);
  CPPUNIT_TEST(address_fields);
  CPPUNIT_TEST(sections);
  CPPUNIT_TEST_SUITE_END();

  void folds() {
    CPPUNIT_ASSERT_EQUAL(std::string("Subject: Hello\r\n"), *make_field("Subject", "Hello"));
    CPPUNIT_ASSERT_EQUAL(std::string("X-Empty:\r\n"), *make_field("X-Empty", ""));
    CPPUNIT_ASSERT_EQUAL(std::string("X: a  b\r\n"), *make_field("X", "  a  b "));
    std::string text;
    for (int i = 0; i < 60; ++i) text += "word" + std::to_string(i) + (i % 7 == 0 ? "  " : " ");
    const std::string field = *make_field("Subject", text);
    for (const std::string_view line : split(field, '\n')) CPPUNIT_ASSERT(line.size() <= 79);
    CPPUNIT_ASSERT_EQUAL("Subject: " + std::string(trim(text)), unfolded(field));
    CPPUNIT_ASSERT(!field.contains("\r\n\r\n") && count(field, "\r\n") > 4);
  }

  void refuses() {
    using namespace std::string_view_literals;
    for (const std::string_view name : {""sv, "A B"sv, "A:"sv, "A\r\nB"sv, "\xC3\xA4"sv, "A\t"sv, "A\0"sv})
      CPPUNIT_ASSERT(!make_field(name, "x"));
    for (const std::string_view value : {"a\r\nB: c"sv, "a\n"sv, "a\rb"sv, "a\0b"sv, "\x7f"sv})
      CPPUNIT_ASSERT(!make_field("A", value));
    CPPUNIT_ASSERT(make_field("A", std::string(990, 'x')));
    CPPUNIT_ASSERT(!make_field("A", std::string(999, 'x')));
    CPPUNIT_ASSERT(!make_field(std::string(77, 'A'), "x"));
  }

  void encodes() {
    CPPUNIT_ASSERT_EQUAL(std::string("plain"), encoded_text("plain"));
    CPPUNIT_ASSERT_EQUAL(std::string("=?UTF-8?Q?Gr=C3=BC=C3=9Fe_an_alle_Leute?="), encoded_text("Grüße an alle Leute"));
    CPPUNIT_ASSERT_EQUAL(std::string("=?UTF-8?B?5pel5pys6Kqe?="), encoded_text("日本語"));
  }

  void words_hold_whole_characters() {
    for (const std::string_view unit : {"é", "日", "😀", "aé", "ab😀"}) {
      std::string text;
      for (int i = 0; i < 200; ++i) text += unit;
      std::string again;
      const std::string encoded = encoded_words(text);
      for (const std::string_view word : words(encoded)) {
        CPPUNIT_ASSERT(word.size() <= 75 && word.starts_with("=?UTF-8?") && word.ends_with("?="));
        const std::string_view inner = word.substr(10, word.size() - 12);
        std::string bytes;
        if (word[8] == 'B') {
          bytes = *base64_decoded(inner);
        } else {
          for (size_t i = 0; i < inner.size(); ++i) {
            if (inner[i] != '=') {
              bytes += inner[i];
              continue;
            }
            bytes += static_cast<char>(std::stoi(std::string(inner.substr(i + 1, 2)), nullptr, 16));
            i += 2;
          }
        }
        CPPUNIT_ASSERT(is_utf8(bytes));
        again += bytes;
      }
      CPPUNIT_ASSERT_EQUAL(text, again);
    }
  }

  void address_fields() {
    CPPUNIT_ASSERT_EQUAL(std::string("=?UTF-8?Q?J=C3=B6rg?= <a@b.example>, c@d.example"),
                         *encoded_value("To", "Jörg <a@b.example>, c@d.example"));
    CPPUNIT_ASSERT(!encoded_value("cc", "Jörg"));
    CPPUNIT_ASSERT_EQUAL(std::string("=?UTF-8?Q?J=C3=B6rg?="), *encoded_value("Subject", "Jörg"));
    CPPUNIT_ASSERT(!encoded_value("Subject", "\xFF"));
  }

  void sections() {
    const auto fields = split_fields("A: b\r\nSubject: x\r\n y\r\n\tz\r\nEmpty:\r\n\r\nbody: no\r\n");
    CPPUNIT_ASSERT(fields.has_value());
    CPPUNIT_ASSERT_EQUAL(size_t{3}, fields->size());
    CPPUNIT_ASSERT_EQUAL(std::string(" x y\tz"), unfolded((*fields)[1].value));
    CPPUNIT_ASSERT_EQUAL(std::string("Empty"), std::string((*fields)[2].name));
    for (const std::string_view bad : {"no field\r\n", " x: y\r\n", "A: b\r\nnone\r\n", ": x\r\n"})
      CPPUNIT_ASSERT(!split_fields(bad));
    CPPUNIT_ASSERT_EQUAL(size_t{8}, header_end("A: b\r\n\r\nx"));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, header_end("\r\nA: b\r\n\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string_view::npos, header_end("A: b\r\n"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(HeaderFieldTest);

}  // namespace
