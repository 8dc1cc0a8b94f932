#include "base/files.h"
#include "kit.h"

#include <set>

using namespace kit;

namespace {

class DiagnosticsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(DiagnosticsTest);
  CPPUNIT_TEST(rendering);
  CPPUNIT_TEST(rendering_of_odd_lines);
  CPPUNIT_TEST(rendering_of_long_lines);
  CPPUNIT_TEST(secrets_are_not_shown);
  CPPUNIT_TEST(each_mistake_says_what_it_is);
  CPPUNIT_TEST(forgotten_closers);
  CPPUNIT_TEST(forgotten_quotes);
  CPPUNIT_TEST(reading_goes_on_at_the_next_statement);
  CPPUNIT_TEST(encodings);
  CPPUNIT_TEST(ids_are_documented);
  CPPUNIT_TEST_SUITE_END();

  static Diagnostic diagnostic(const std::string& text, Place place, uint32_t length) {
    Diagnostic d;
    d.id = "config-unknown-option";
    d.origin = {source(text, "conf/impulse.conf"), place};
    d.length = length;
    d.message = "unknown option 'Lisen_Backlog'";
    return d;
  }
  // The excerpt and the caret line.
  static std::string excerpt(const std::string& line, uint32_t column, uint32_t length) {
    const std::string text = diagnostic(line, {1, column}, length).render();
    return text.substr(text.find('\n') + 1);
  }

  void rendering() {
    std::string text;
    for (int i = 1; i < 12; ++i) text += "#\n";
    Diagnostic d = diagnostic(text + "  Lisen_Backlog = 500\n", {12, 3}, 13);
    d.hint = "did you mean 'Listen_Backlog'?";
    CPPUNIT_ASSERT_EQUAL(std::string("conf/impulse.conf:12:3: error: unknown option 'Lisen_Backlog' "
                                     "[config-unknown-option]\n"
                                     "   12 |   Lisen_Backlog = 500\n"
                                     "      |   ^~~~~~~~~~~~~\n"
                                     "did you mean 'Listen_Backlog'?"),
                         d.render());
    CPPUNIT_ASSERT_EQUAL(std::string("conf/impulse.conf:12:3: unknown option 'Lisen_Backlog'; "
                                     "did you mean 'Listen_Backlog'?"),
                         d.headline());
    d.severity = Diagnostic::Severity::warning;
    d.hint.clear();
    d.length = 1;
    d.include_stack = {{source("", "b.conf"), {3, 1}}, {source("", "a.conf"), {7, 5}}};
    CPPUNIT_ASSERT_EQUAL(std::string("conf/impulse.conf:12:3: warning: unknown option 'Lisen_Backlog' "
                                     "[config-unknown-option]\n"
                                     "   12 |   Lisen_Backlog = 500\n"
                                     "      |   ^\n"
                                     "included from b.conf:3:1\n"
                                     "included from a.conf:7:5"),
                         d.render());
    CPPUNIT_ASSERT(!has_errors({d}));
    d.severity = Diagnostic::Severity::notice;
    d.origin = {};
    CPPUNIT_ASSERT(d.render().starts_with("notice: unknown option 'Lisen_Backlog' [config-unknown-option]"));
    CPPUNIT_ASSERT_EQUAL(std::string("default"), d.origin.to_string());
    CPPUNIT_ASSERT(has_errors({d, diagnostic("", {1, 1}, 1)}));
  }
  void rendering_of_odd_lines() {
    CPPUNIT_ASSERT_EQUAL(std::string("    1 |         a = b\n      |         ^"), excerpt("\ta = b", 2, 1));
    CPPUNIT_ASSERT_EQUAL(std::string("    1 | ab      c\n      |         ^"), excerpt("ab\tc", 4, 9));
    CPPUNIT_ASSERT_EQUAL(std::string("    1 | \xC3\xA4\xC3\xA4 = x\n      |      ^"),
                         excerpt("\xC3\xA4\xC3\xA4 = x", 8, 1));
    CPPUNIT_ASSERT_EQUAL(std::string("    1 | a\xEF\xBF\xBD[31m\xEF\xBF\xBD b\n      |         ^"),
                         excerpt("a\x1b[31m\xff b", 9, 1));
    CPPUNIT_ASSERT_EQUAL(std::string("    1 | a =\n      |    ^"), excerpt("a =\r\n", 4, 1));
    CPPUNIT_ASSERT_EQUAL(std::string("    1 |\n      | ^"), excerpt("", 1, 1));
    CPPUNIT_ASSERT_EQUAL(std::string("    1 | \"two\n      | ^~~~"), excerpt("\"two\nlines\"", 1, 11));
    CPPUNIT_ASSERT_EQUAL(std::string("    1 | a\n      |  ^"), excerpt("a", 999, 5));
    CPPUNIT_ASSERT_EQUAL(std::string("    1 | a = b\n      | ^"), excerpt("\xEF\xBB\xBF"
                                                                          "a = b",
                                                                          1, 1));
    const std::string text = diagnostic("a", {100000, 1}, 1).render();
    CPPUNIT_ASSERT_EQUAL(std::string("100000 |\n       | ^"), text.substr(text.find('\n') + 1));
  }
  void rendering_of_long_lines() {
    const std::string line = std::string(1000, 'x') + "YY" + std::string(1000, 'z');
    const std::string middle = "…" + std::string(60, 'x') + "YY" + std::string(57, 'z') + "…";
    CPPUNIT_ASSERT_EQUAL("    1 | " + middle + "\n      | " + std::string(61, ' ') + "^~", excerpt(line, 1001, 2));
    const std::string start = std::string(120, 'x') + "…";
    CPPUNIT_ASSERT_EQUAL("    1 | " + start + "\n      | ^" + std::string(119, '~'), excerpt(line, 1, 5000));
    // Never a piece of a character.
    std::string umlauts;
    for (int i = 0; i < 500; ++i) umlauts += "\xC3\xA4";
    const std::string cut = excerpt(umlauts, 502, 1);
    CPPUNIT_ASSERT(cut.find("\xEF\xBF\xBD") == std::string::npos);
  }

  void secrets_are_not_shown() {
    CPPUNIT_ASSERT_EQUAL(std::string("    1 | TLS_Key_Password (redacted)\n      |                            ^"),
                         excerpt("TLS_Key_Password = hunter2 }", 28, 1));
    CPPUNIT_ASSERT_EQUAL(std::string("    1 | tls_key_pasword (redacted)\n      | ^~~~~~~~~~~~~~~"),
                         excerpt("tls_key_pasword=hunter2", 1, 15));
    CPPUNIT_ASSERT_EQUAL(std::string("    1 | Key = \" (redacted)\n      | ^~~"),
                         excerpt("Key = \"-----BEGIN PRIVATE KEY-----\\nMIIE", 1, 3));
    CPPUNIT_ASSERT_EQUAL(std::string("    1 | TLS_Key_Password =\n      |                  ^"),
                         excerpt("TLS_Key_Password =", 18, 1));
    const std::string key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nAbCd\n";
    CPPUNIT_ASSERT(diagnostic(key, {3, 2}, 3).render().find("AbCd") == std::string::npos);
    CPPUNIT_ASSERT(diagnostic(key + "-----END RSA PRIVATE KEY-----\nplain", {5, 2}, 3).render().contains("plain"));
    CPPUNIT_ASSERT(
        diagnostic(std::string(200'000, 'x') + " passwd = hunter2", {1, 200'010}, 1).render().find("hunter2") ==
        std::string::npos);
    for (const char* text :
         {"TLS_Key_Password = hun ter2", "TLS_Key_Password hunter2", "TLS_Key_Password = x hunter2 {",
          "A { TLS_Key_Password hunter2 }", "TLS_Key_Password = \"x\"hunter2\n"})
      for (const Diagnostic& mistake : parse(source(text, "a.conf")).diagnostics)
        CPPUNIT_ASSERT_MESSAGE(mistake.render(), mistake.render().find("ter2") == std::string::npos);
  }

  void each_mistake_says_what_it_is() {
    refuses("Enable true", "config-syntax",
            "1:1: expected '=' behind 'Enable', or '{' behind 'true'; to set an option, write Enable = true");
    refuses("A { Enable true }", "config-syntax",
            "1:5: expected '=' behind 'Enable', or '{' behind 'true'; to set an option, write Enable = true");
    refuses("word", "config-syntax", "1:1: expected '=' or '{' behind 'word', found end of line");
    refuses("word\nA {}", "config-syntax", "1:1: expected '=' or '{' behind 'word', found end of line");
    refuses("This is prose.", "config-syntax", "1:9: expected '{' behind This is, found 'prose.'");
    refuses("a =\nb = 2", "config-missing-value",
            "1:3: expected a value behind 'a =', found end of line; an empty value is written \"\"");
    refuses("a =\nListen \":25\" { }", "config-missing-value",
            "1:3: expected a value behind 'a =', found end of line; an empty value is written \"\"");
    refuses("a =", "config-missing-value",
            "1:3: expected a value behind 'a =', found end of text; an empty value is written \"\"");
    refuses("A { a = }", "config-missing-value",
            "1:7: expected a value behind 'a =', found '}'; an empty value is written \"\"");
    refuses("a = b, c", "config-syntax",
            "1:6: expected the name of an option or a scope, found ','; write several values as ( a, b ), or quote a "
            "value that holds ','");
    refuses("a = b=c", "config-syntax",
            "1:6: expected the name of an option or a scope, found '='; quote a value that holds '='");
    refuses(
        "a = hello world\nb = 1", "config-syntax",
        "1:11: expected the end of the value, found 'world'; quote a value that holds spaces, or write several values "
        "as ( a, b )");
    refuses(
        "a = hello big world", "config-syntax",
        "1:11: expected the end of the value, found 'big'; quote a value that holds spaces, or write several values "
        "as ( a, b )");
    refuses("a = \"b\" \"c\"", "config-syntax",
            "1:9: expected the name of an option or a scope, found the string 'c'; write several values as ( a, b )");
    refuses("\"a\" = b", "config-syntax",
            "1:1: expected the name of an option or a scope, found the string 'a'; names have no quotes");
    refuses("a = 1;", "config-syntax",
            "1:6: expected the name of an option or a scope, found ';'; statements need no ';' at their end");
    refuses("A \"x\" = 5", "config-syntax", "1:7: expected '{' behind A \"x\", found '='");
    refuses("a = ( b,, c )", "config-syntax",
            "1:9: expected ')' or a value, found ','; the '(' is at line 1, column 5");
    refuses("a = ( , )", "config-syntax", "1:7: expected ')' or a value, found ','; the '(' is at line 1, column 5");
    refuses("a = [ b ]", "config-syntax", "1:9: expected '=' behind 'b', found ']'; the '[' is at line 1, column 5");
    refuses("a = [ b = ]", "config-syntax",
            "1:11: expected a value behind 'b' =, found ']'; the '[' is at line 1, column 5");
    refuses("a = [ ( ) ]", "config-syntax", "1:7: expected ']' or a key, found '('; the '[' is at line 1, column 5");
    refuses("a = ( b ]", "config-syntax", "1:9: expected ')' or a value, found ']'; the '(' is at line 1, column 5");
    refuses("include", "config-syntax",
            "1:8: expected a path behind 'include', found end of text; write include \"path\"");
    refuses("include = x", "config-syntax", "1:9: expected a path behind 'include', found '='; write include \"path\"");
    refuses("include\na = 1", "config-syntax",
            "2:1: expected a path behind 'include', found 'a'; write include \"path\"");
    refuses("include \"\"", "config-syntax", "1:9: expected a path behind 'include', found the string ''");
    refuses(
        "a = b#c", "config-comment-in-word",
        "1:6: a comment starts right behind 'b'; quote the word when the '#' belongs to it, else put a space before "
        "the comment");
    // Text in messages can do nothing to a terminal, and is not longer than a line.
    refuses("a\x1b x y", "config-syntax", "1:6: expected '{' behind a\\x1B x, found 'y'");
    refuses(std::string(500, 'a') + " {} =", "config-syntax",
            "1:505: expected the name of an option or a scope, found '='; quote a value that holds '='");
    refuses("x " + std::string(500, 'a') + " b", "config-syntax",
            "1:504: expected '{' behind x " + std::string(48, 'a') + "…, found 'b'");
  }
  void forgotten_closers() {
    refuses("A {\n  B {\n    a = 1\n  }\n", "config-unclosed",
            "1:3: expected '}' to close this '{', found end of text");
    refuses("A {\n  B {\n    a = 1\n", "config-unclosed",
            "2:5: expected '}' to close this '{', found end of text; nor have the 1 around it");
    refuses("A { }\n}\nb = 1", "config-syntax",
            "2:1: expected the name of an option or a scope, found '}'; there is no '{' that this '}' would close");
    const std::string text = "a = ( x\n  y\nb = 1\nc = 2";
    refuses(text, "config-syntax", "3:1: expected ')' or a value, found 'b'; the '(' is at line 1, column 5");
    CPPUNIT_ASSERT_EQUAL(std::string("b=w'1' c=w'2'"), outline(parsed(text).nodes));
    refuses("A {\n p = [ u = x\n}\nb = 1", "config-syntax",
            "3:1: expected ']' or a key, found '}'; the '[' is at line 2, column 6");
    refuses("a = ( x [ y = ( z", "config-syntax",
            "1:18: expected ')' or a value, found end of text; the '(' is at line 1, column 15");
  }
  void forgotten_quotes() {
    refuses("a = 1\nb = \"x\nc = 2", "config-unterminated-string",
            "2:5: expected a closing \" at the end of this string, found end of text");
    CPPUNIT_ASSERT_EQUAL(std::string("a=w'1' b=s'x' c=w'2'"), outline(parsed("a = 1\nb = \"x\nc = 2").nodes));
    refuses("a = 1 /* x\nb = 2", "config-unterminated-comment",
            "1:7: expected '*/' at the end of this comment, found end of text");
    // The quote is missing in line 1; it shows where the string ends, in line 2.
    const SyntaxTree tree = parsed("a = \"foo\nb = \"bar\"\nc = 1\n");
    CPPUNIT_ASSERT_EQUAL(
        std::string("t.conf:2:6: expected the end of the value, found 'bar'; is a quote missing in the "
                    "string that begins at line 1, column 5?"),
        tree.diagnostics.at(0).headline());
  }
  void reading_goes_on_at_the_next_statement() {
    const SyntaxTree tree = parsed(
        "Enable true\n"
        "good = 1\n"
        "A {\n"
        "  x y z\n"
        "  good = 2\n"
        "  list = ( a = )\n"
        "  good = 3\n"
        "}\n"
        "a = = b\n"
        "}\n"
        "B \"x\" \"y\" { c = 1 }\n"
        "good = 4\n"
        "p = [ k v ]\n"
        "good = 5\n");
    std::string lines;
    for (const Diagnostic& d : tree.diagnostics) lines += fmt::format("{} ", d.origin.place.line);
    CPPUNIT_ASSERT_EQUAL_MESSAGE(rendered(tree.diagnostics), std::string("1 4 6 9 10 11 13 "), lines);
    CPPUNIT_ASSERT_EQUAL(std::string("good=w'1' A{ good=w'2' good=w'3' } good=w'4' good=w'5'"), outline(tree.nodes));
  }
  void encodings() {
    refuses(std::string("a = b\nc = d\0e\n", 14), "config-encoding", "2:6: expected text, found a NUL byte");
    refuses("# k\xE4se\na = 1", "config-encoding", "1:4: expected UTF-8, found '\\xE4'; save the file as UTF-8");
    refuses("# \xC3\xA4 \xF0\x9F\x98\x80 \xED\xA0\x80\n", "config-encoding",
            "1:11: expected UTF-8, found '\\xED\\xA0\\x80'; save the file as UTF-8");
    refuses(std::string("\xFF\xFE"
                        "a\0=\0",
                        6),
            "config-encoding", "1:1: expected UTF-8, found UTF-16; save the file as UTF-8");
    refuses("a = 1\n# cut off \xE2\x82", "config-encoding",
            "2:11: expected UTF-8, found '\\xE2\\x82'; save the file as UTF-8");
    CPPUNIT_ASSERT(parsed("# \xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\n").diagnostics.empty());
  }
  // Every id has a row in doc/messages.md.
  void ids_are_documented() {
    const auto text = [](const char* file) { return impulse::read_file(std::string(SOURCE_FOLDER) + file).value(); };
    const std::string ids = text("/src/config/diagnostic_ids.h"), rows = text("/doc/messages.md");
    std::set<std::string> seen;
    for (size_t at = 0; (at = ids.find("\"config-", at)) != std::string::npos;) {
      const size_t end = ids.find('"', ++at);
      const std::string id = ids.substr(at, end - at);
      CPPUNIT_ASSERT_MESSAGE(id, seen.insert(id).second);
      CPPUNIT_ASSERT_MESSAGE(id, rows.find("\n| `" + id + "` |") != std::string::npos);
      at = end;
    }
    CPPUNIT_ASSERT(seen.size() > 20);
    for (const char* wrong : {"a b c", "a =", "A {", "a = \"", "/*", "a = \xff", "a = b#"})
      for (const Diagnostic& d : parsed(wrong).diagnostics) CPPUNIT_ASSERT_MESSAGE(d.id, seen.contains(d.id));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DiagnosticsTest);

}  // namespace
