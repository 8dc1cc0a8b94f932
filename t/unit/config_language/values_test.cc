#include "kit.h"

using namespace kit;

namespace {

class ValuesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ValuesTest);
  CPPUNIT_TEST(quoting);
  CPPUNIT_TEST(printing);
  CPPUNIT_TEST(one_value);
  CPPUNIT_TEST(one_value_refused);
  CPPUNIT_TEST(lines);
  CPPUNIT_TEST(lines_refused);
  CPPUNIT_TEST_SUITE_END();

  static std::string value(const std::string& text) {
    const ParsedValue result = parse_value(source(text, "console: alice"));
    if (result.value) {
      CPPUNIT_ASSERT(!has_errors(result.diagnostics));
      return outline(*result.value);
    }
    CPPUNIT_ASSERT(has_errors(result.diagnostics));
    return result.diagnostics.front().headline();
  }
  static std::string line(const std::string& text) {
    const ParsedLine result = parse_line(source(text, "console: alice"));
    std::string out;
    for (const RawValue& word : result.words) out += (out.empty() ? "" : " ") + outline(word);
    if (has_errors(result.diagnostics)) out += " !" + result.diagnostics.front().headline();
    return out;
  }

  void quoting() {
    for (const char* bare : {"true", "/tmp/x", "10.0.0.0/8", "*.a", ":25", "%{domain}/x", "a\\b", "text/*"})
      CPPUNIT_ASSERT_EQUAL(std::string(bare), quote_if_needed(bare));
    const std::pair<const char*, const char*> quoted[] = {
        {"", "\"\""},         {"a b", "\"a b\""},   {"a#b", "\"a#b\""},       {"a=b", "\"a=b\""},
        {"it's", "\"it's\""}, {"\"", "\"\\\"\""},   {"a\\ b", "\"a\\\\ b\""}, {"[::1]:25", "\"[::1]:25\""},
        {"/*", "\"/*\""},     {"/*.x", "\"/*.x\""}, {"a\nb", "\"a\\nb\""},    {"\t\r", "\"\\t\\r\""},
        {"(", "\"(\""},       {"a,b", "\"a,b\""},   {"{}", "\"{}\""},         {"/a(b)/", "\"/a(b)/\""},
        {"%{}", "\"%{}\""},   {";", "\";\""},       {"=", "\"=\""},           {"\xEF\xBB\xBF", "\"\xEF\xBB\xBF\""},
    };
    for (const auto& [text, expected] : quoted) CPPUNIT_ASSERT_EQUAL(std::string(expected), quote_if_needed(text));
  }
  void printing() {
    const auto printed = [](const std::string& text) { return parse_value(source(text)).value.value().to_string(); };
    CPPUNIT_ASSERT_EQUAL(std::string("( a \"b c\" ( ) )"), printed("(a,'b c',())"));
    CPPUNIT_ASSERT_EQUAL(std::string("[ k = v \"x y\" = ( 1 ) d = [ ] ]"), printed("[k=v,\"x y\"(1) d []]"));
    CPPUNIT_ASSERT_EQUAL(std::string("\"true\""), printed("'true'"));
    CPPUNIT_ASSERT_EQUAL(std::string("true"), printed("true"));
  }
  void one_value() {
    CPPUNIT_ASSERT_EQUAL(std::string("w'true'"), value(" true \n"));
    CPPUNIT_ASSERT_EQUAL(std::string("s'a b'"), value("\"a b\" # why"));
    CPPUNIT_ASSERT_EQUAL(std::string("( w'a' w'b' )"), value("(a b)"));
    CPPUNIT_ASSERT_EQUAL(std::string("[ k=w'v' ]"), value("[k=v]"));
    CPPUNIT_ASSERT_EQUAL(std::string("w'[::1]:25'"), value("[::1]:25"));
  }
  void one_value_refused() {
    CPPUNIT_ASSERT_EQUAL(std::string("console: alice:1:1: expected a value, found end of text"), value(""));
    CPPUNIT_ASSERT_EQUAL(std::string("console: alice:1:3: expected the end of the value, found 'b'; quote a value that "
                                     "holds spaces, or write several values as ( a, b )"),
                         value("a b"));
    CPPUNIT_ASSERT_EQUAL(std::string("console: alice:1:1: expected a value, found '='"), value("= a"));
    CPPUNIT_ASSERT_EQUAL(
        std::string("console: alice:1:1: expected a closing \" at the end of this string, found end of text"),
        value("\"a"));
    CPPUNIT_ASSERT_EQUAL(
        std::string("console: alice:1:5: expected ')' or a value, found end of text; the '(' is at line 1, column 1"),
        value("(a b"));
    CPPUNIT_ASSERT_EQUAL(std::string("console: alice:1:2: expected text, found a NUL byte"),
                         value(std::string("a\0", 2)));
  }
  void lines() {
    CPPUNIT_ASSERT_EQUAL(std::string(""), line("  # nothing"));
    CPPUNIT_ASSERT_EQUAL(std::string("w'config' w'set' w'esmtp_listener' w'listen' w':25' w'enable' w'false'"),
                         line("config set esmtp_listener listen :25 enable = false"));
    CPPUNIT_ASSERT_EQUAL(std::string("w'listen' w'[::1]:25' w'peer' w'[::1]' w'x' w'1'"),
                         line("listen [::1]:25 peer [::1] x=1"));
    CPPUNIT_ASSERT_EQUAL(std::string("w'domain' w'/google\\.(com|es)$/' w'gateway' s''"),
                         line("domain /google\\.(com|es)$/ gateway \"\""));
    CPPUNIT_ASSERT_EQUAL(std::string("w'ext' ( w'A' s'B C' ) w'next'"), line("ext (A \"B C\") next"));
    CPPUNIT_ASSERT_EQUAL(std::string("w'ext' ( ) w'/a(b)/'"), line("ext () /a(b)/"));
    CPPUNIT_ASSERT_EQUAL(std::string("w'auth' [ uri=s'x' ]"), line("auth [ uri = 'x' ]"));
    CPPUNIT_ASSERT_EQUAL(std::string("w'show' w'a,b;c'"), line("show a,b;c"));
    CPPUNIT_ASSERT_EQUAL(std::string("w'config' w'begin' w'name' w'deploy'"), line("config begin name=deploy"));
    const ParsedLine parts = parse_line(source("a  (b c)"));
    CPPUNIT_ASSERT_EQUAL(uint32_t{3}, parts.words.at(1).span.begin);
    CPPUNIT_ASSERT_EQUAL(uint32_t{8}, parts.words.at(1).span.end);
    CPPUNIT_ASSERT_EQUAL(uint32_t{4}, parts.words.at(1).place.column);
  }
  void lines_refused() {
    CPPUNIT_ASSERT_EQUAL(
        std::string("w'a' !console: alice:1:3: expected a word, found '}'; quote a word that holds it"), line("a } b"));
    CPPUNIT_ASSERT_EQUAL(
        std::string("w'a' s'b' !console: alice:1:3: expected a closing \" at the end of this string, found "
                    "end of text"),
        line("a \"b"));
    CPPUNIT_ASSERT(line("a (b").find("expected ')' or a value, found end of text") != std::string::npos);
    CPPUNIT_ASSERT(line("a [b]").find("expected '=' behind 'b', found ']'") != std::string::npos);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ValuesTest);

}  // namespace
