#include "config/lexer.h"

#include "kit.h"

using namespace kit;

namespace {

class LexerTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LexerTest);
  CPPUNIT_TEST(nothing_is_lost);
  CPPUNIT_TEST(words_that_stand_bare);
  CPPUNIT_TEST(where_words_end);
  CPPUNIT_TEST(instances);
  CPPUNIT_TEST(comments);
  CPPUNIT_TEST(strings);
  CPPUNIT_TEST(places);
  CPPUNIT_TEST(byte_order_mark);
  CPPUNIT_TEST_SUITE_END();

  static std::vector<std::string> tokens(const std::string& text, LexMode mode = LexMode::plain) {
    DiagnosticSink sink(source(text));
    Lexer lexer(text, sink);
    std::vector<std::string> found;
    for (Token token = lexer.next(mode); token.kind != TokenKind::end; token = lexer.next(mode))
      found.emplace_back(lexer.text(token));
    return found;
  }
  static std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const auto& part : parts) text += (text.empty() ? "" : "|") + part;
    return text;
  }

  void nothing_is_lost() {
    const std::string text =
        "# a comment\r\n\n  Listen \":25\" { /* and\nanother */ Enable=true # end\n\tx ( a, b ) }\n\n\n# last";
    DiagnosticSink sink(source(text));
    Lexer lexer(text, sink);
    std::string again;
    size_t end = 0;
    for (;;) {
      const Token token = lexer.next();
      CPPUNIT_ASSERT_EQUAL(end, token.trivia);
      CPPUNIT_ASSERT(token.trivia <= token.begin && token.begin <= token.end);
      again += text.substr(token.trivia, token.end - token.trivia);
      end = token.end;
      if (token.kind == TokenKind::end) break;
    }
    CPPUNIT_ASSERT_EQUAL(text, again);
  }
  void words_that_stand_bare() {
    for (const char* word : {"true",
                             "10.0.0.0/8",
                             "2001:db8::/32",
                             ":25",
                             "*:25",
                             "*.example.com",
                             "/tmp/2025",
                             "digest:///path",
                             "file:///etc/x?y",
                             "/etc/x",
                             "30s",
                             "0640",
                             "-1",
                             "50%",
                             "a@b.example",
                             "var/mail/%{domain}/%{localpart}",
                             "%h{Subject}",
                             "%t{%Y-%m-%d}",
                             "${HOME}/x",
                             "<string>",
                             "__message__",
                             "hook:delay_dsn",
                             "a::b-c",
                             "x|y",
                             "C:\\dir",
                             "text/*",
                             "/var/log/*",
                             "[::1]:25",
                             "[*]:25",
                             "[fe80::1%eth0]:25/x",
                             "\xC3\xA4.example",
                             "a/*b*/",
                             "~user",
                             "$1",
                             "^a$",
                             "a?b&c",
                             "+",
                             "!"}) {
      CPPUNIT_ASSERT_EQUAL(std::string(word), joined(tokens(word)));
      CPPUNIT_ASSERT_EQUAL(std::string(word), joined(tokens(std::string(" ") + word + "\n", LexMode::line)));
    }
  }
  void where_words_end() {
    CPPUNIT_ASSERT_EQUAL(std::string("a|=|b"), joined(tokens("a=b")));
    CPPUNIT_ASSERT_EQUAL(std::string("a|,|b|;"), joined(tokens("a,b;")));
    CPPUNIT_ASSERT_EQUAL(std::string("a,b;"), joined(tokens("a,b;", LexMode::line)));
    CPPUNIT_ASSERT_EQUAL(std::string("/tmp/x|{|}"), joined(tokens("/tmp/x{}")));
    CPPUNIT_ASSERT_EQUAL(std::string("a|\"b\"|c"), joined(tokens("a\"b\"c")));
    CPPUNIT_ASSERT_EQUAL(std::string("x|(|a|b|)|[|k|=|v|]"), joined(tokens("x(a b)[k=v]")));
    // Patterns that are none.
    CPPUNIT_ASSERT_EQUAL(std::string("%|{|}"), joined(tokens("%{}")));
    CPPUNIT_ASSERT_EQUAL(std::string("%eth0|{|a|=|b|}"), joined(tokens("%eth0{a=b}")));
    CPPUNIT_ASSERT_EQUAL(std::string("%|{|a|b|}"), joined(tokens("%{a b}")));
    CPPUNIT_ASSERT_EQUAL(std::string("%|{|a"), joined(tokens("%{a")));
    // Brackets that are none.
    CPPUNIT_ASSERT_EQUAL(std::string("[|a|]"), joined(tokens("[a]", LexMode::instance)));
    CPPUNIT_ASSERT_EQUAL(std::string("[|::1|]"), joined(tokens("[::1]")));
    CPPUNIT_ASSERT_EQUAL(std::string("[|a.b|=|c|]"), joined(tokens("[a.b=c]", LexMode::instance)));
  }
  void instances() {
    for (const char* word : {"/google\\.(com|es|ru)$/", "/yahoo\\.co(m|\\.uk)$/", "/^a{2,3}[.]x$/", "/a\\/b/", "/x/",
                             "/[^/]+\\.(net)/", "[::1]", "[10.0.0.1]", "[IPv6:fd82::1]", "[::1]/128", "/tmp/2025"}) {
      const std::string text = word;
      CPPUNIT_ASSERT_EQUAL(text, joined(tokens(text, LexMode::instance)));
      CPPUNIT_ASSERT_EQUAL(text + "|{|}", joined(tokens(text + "{}", LexMode::instance)));
      CPPUNIT_ASSERT_EQUAL(text + "|{|}", joined(tokens(text + " {}", LexMode::instance)));
    }
    // A slash at the end of a word elsewhere does not make it a regular expression.
    CPPUNIT_ASSERT_EQUAL(std::string("/tmp/x|{|p|=|/y/|}"), joined(tokens("/tmp/x{p=/y/ }", LexMode::instance)));
    CPPUNIT_ASSERT_EQUAL(std::string("/a|(|b"), joined(tokens("/a(b", LexMode::instance)));
    CPPUNIT_ASSERT_EQUAL(std::string("/a|(|b|)|/"), joined(tokens("/a(b)/")));
  }
  void comments() {
    CPPUNIT_ASSERT_EQUAL(std::string("a|b"), joined(tokens("a # x { \" y\nb#z")));
    CPPUNIT_ASSERT_EQUAL(std::string("a|b"), joined(tokens("a /* /* # \" \n */b")));
    CPPUNIT_ASSERT_EQUAL(std::string("a|=|1"), joined(tokens("a=/**/1/**/"
                                                             ""))
                                                   .substr(0, 5));
    CPPUNIT_ASSERT_EQUAL(std::string(""), joined(tokens("/***/#")));
    CPPUNIT_ASSERT_EQUAL(std::string("*/"), joined(tokens("/* /* */ */")));  // they do not nest

    DiagnosticSink sink(source("a = b#c\n"));
    Lexer lexer("a = b#c\n", sink);
    while (lexer.next().kind != TokenKind::end) {
    }
    const Diagnostics warnings = sink.take();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, warnings.size());
    CPPUNIT_ASSERT(warnings[0].severity == Diagnostic::Severity::warning);
    CPPUNIT_ASSERT_EQUAL(std::string("t.conf:1:6"), warnings[0].origin.to_string());
  }
  void strings() {
    CPPUNIT_ASSERT_EQUAL(std::string("a\"'\\\n\r\tb"), unquote("\"a\\\"\\'\\\\\\n\\r\\tb\"", false));
    CPPUNIT_ASSERT_EQUAL(std::string("/x\\.com\\d/"), unquote("'/x\\.com\\d/'", false));
    CPPUNIT_ASSERT_EQUAL(std::string("joined line"), unquote("\"joined \\\nline\"", false));
    CPPUNIT_ASSERT_EQUAL(std::string("joined line"), unquote("\"joined \\\r\nline\"", false));
    CPPUNIT_ASSERT_EQUAL(std::string("a\\\rb"), unquote("\"a\\\rb\"", false));
    CPPUNIT_ASSERT_EQUAL(std::string(""), unquote("\"\"", false));
    CPPUNIT_ASSERT_EQUAL(std::string("a\\"), unquote("\"a\\", true));
    CPPUNIT_ASSERT_EQUAL(std::string("\"it's # { \\\"\n\"|'\"'|x"), joined(tokens("\"it's # { \\\"\n\"'\"'x")));
  }
  void places() {
    const std::string text = "a\n  \"x\ny\" /*\n*/ b 'z' c";
    DiagnosticSink sink(source(text));
    Lexer lexer(text, sink);
    std::string seen;
    for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next())
      seen += fmt::format("{}:{}{} ", token.place.line, token.place.column, token.first_on_line ? "!" : "");
    CPPUNIT_ASSERT_EQUAL(std::string("1:1! 2:3! 4:4! 4:6 4:10 "), seen);
  }
  void byte_order_mark() {
    // Found by fuzzing: a statement that began with one in the middle of a file was another one alone.
    reads(
        "\xEF\xBB\xBF"
        "a = 1\n\xEF\xBB\xBF"
        "b = 2\n",
        "a=w'1' b=w'2'");
    refuses(
        "\xEF\xBB\xBF"
        "a",
        "config-syntax", "1:1: expected '=' or '{' behind 'a', found end of line");
    CPPUNIT_ASSERT(parsed("\xEF\xBB\xBF").diagnostics.empty());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LexerTest);

}  // namespace
