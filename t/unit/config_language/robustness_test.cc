// Hostile and enormous input: an answer, in time, of a bounded size. Times are
// not asserted; a quadratic step would make this program run for minutes.
#include "kit.h"

#include <algorithm>

using namespace kit;

namespace {

std::string repeated(std::string_view what, size_t times) {
  std::string text;
  text.reserve(what.size() * times);
  for (size_t i = 0; i < times; ++i) text += what;
  return text;
}

class RobustnessTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RobustnessTest);
  CPPUNIT_TEST(deep_nesting);
  CPPUNIT_TEST(two_hundred_levels_are_allowed);
  CPPUNIT_TEST(diagnostics_are_bounded);
  CPPUNIT_TEST(warnings_leave_room_for_errors);
  CPPUNIT_TEST(long_runs_of_anything);
  CPPUNIT_TEST(many_statements);
  CPPUNIT_TEST(every_beginning_of_a_text);
  CPPUNIT_TEST_SUITE_END();

  static size_t count(const SyntaxTree& tree, std::string_view id) {
    return static_cast<size_t>(
        std::count_if(tree.diagnostics.begin(), tree.diagnostics.end(), [&](const auto& d) { return d.id == id; }));
  }

  void deep_nesting() {
    for (const std::string open : {"a {", "(", "[ a = ", "( [ b = "}) {
      const SyntaxTree tree = parsed((open[0] == 'a' ? "" : "x = ") + repeated(open, 10'000));
      CPPUNIT_ASSERT_EQUAL(size_t{1}, count(tree, "config-nesting"));
      CPPUNIT_ASSERT(tree.diagnostics.size() <= 3);
    }
    // What follows the closed depths is read.
    const SyntaxTree tree = parsed(repeated("a {", 10'000) + repeated("}", 10'000) + "\nb = ");
    CPPUNIT_ASSERT_EQUAL(std::string("config-nesting"), tree.diagnostics.at(0).id);
    CPPUNIT_ASSERT_EQUAL(std::string("config-missing-value"), tree.diagnostics.at(1).id);
    const SyntaxTree values = parsed("x = " + repeated("(", 10'000) + repeated(")", 10'000) + "\nb = 1");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, values.diagnostics.size());
    CPPUNIT_ASSERT_EQUAL(std::string("b=w'1'"), outline(values.nodes));
  }
  void two_hundred_levels_are_allowed() {
    const auto scopes = [](size_t n) { return parsed(repeated("a {", n) + repeated("}", n)); };
    CPPUNIT_ASSERT(scopes(200).diagnostics.empty());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, scopes(201).diagnostics.size());
    const auto mixed = [](size_t n) {
      return parsed(repeated("a {", 100) + "x = " + repeated("(", n) + repeated(")", n) + repeated("}", 100));
    };
    CPPUNIT_ASSERT(mixed(100).diagnostics.empty());
    CPPUNIT_ASSERT_EQUAL(std::string("config-nesting"), mixed(101).diagnostics.at(0).id);
  }
  void diagnostics_are_bounded() {
    for (const std::string line : {"a b c\n", "a =\n", "}\n", "; ", "a = ( =\n", "\xff\n"}) {
      const SyntaxTree tree = parsed(repeated(line, 5'000));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, size_t{101}, tree.diagnostics.size());
      const Diagnostic& last = tree.diagnostics.back();
      CPPUNIT_ASSERT_EQUAL(std::string("config-too-many"), last.id);
      CPPUNIT_ASSERT(last.headline().ends_with("and 4900 more errors") || line.starts_with("\xff"));
      CPPUNIT_ASSERT(has_errors({last}));
    }
  }
  void warnings_leave_room_for_errors() {
    const SyntaxTree tree = parsed(repeated("a = b#c\n", 1'000) + "x y z\n");
    CPPUNIT_ASSERT_EQUAL(size_t{102}, tree.diagnostics.size());
    CPPUNIT_ASSERT(has_errors(tree.diagnostics));
    CPPUNIT_ASSERT_EQUAL(std::string("config-syntax"), tree.diagnostics.at(100).id);
  }
  void long_runs_of_anything() {
    for (const char* start : {"", "a = ", "a ", "a { ", "a = ( ", "a = [ ", "a = \"", "# ", "/* ", "include "}) {
      for (const char* run : {"x",    "(",   "{",   "[",    "\"",    "'",           "\\\"",
                              "\\",   "%{",  "%{a", "/",    "/x(",   "/*",          "/**/",
                              "[a:",  "=",   ",",   ";",    "\n",    "\\\"\n",      "'\n",
                              "a = ", "a\n", "#\n", "\x80", "x{3}/", "a =\n b c\n", "a = ( x\n y = 3\n"}) {
        const size_t bytes = std::string_view(start) == "a = " ? 200'000 : 5'000;
        const SyntaxTree tree = parsed(start + repeated(run, bytes / std::string_view(run).size()));
        CPPUNIT_ASSERT(tree.diagnostics.size() <= 202);
        for (const Diagnostic& d : tree.diagnostics) CPPUNIT_ASSERT(d.headline().size() < 500);
        if (!tree.diagnostics.empty()) CPPUNIT_ASSERT(tree.diagnostics.back().render().size() < 2000);
      }
    }
    // NULs in one long line.
    std::string nuls = repeated("a ", 200'000);
    for (size_t i = 1; i < nuls.size(); i += 2) nuls[i] = '\0';
    CPPUNIT_ASSERT_EQUAL(std::string("config-encoding"), parsed(nuls).diagnostics.at(0).id);
    // A word and a string of 5 MB.
    const std::string big(5'000'000, 'x');
    const SyntaxTree tree = parsed("a = " + big + " b = \"" + big + "\" c");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, tree.diagnostics.size());
    CPPUNIT_ASSERT(tree.diagnostics[0].render().size() < 1000);
    CPPUNIT_ASSERT_EQUAL(big, tree.nodes.at(1).get<OptionNode>().value.text);
  }
  void many_statements() {
    std::string text;
    constexpr unsigned n = 20'000;
    for (unsigned i = 0; i < n; ++i)
      text += fmt::format("Peer \"10.{}.{}.{}\" {{ Enable = true }}\n", i >> 16, i >> 8 & 255, i & 255);
    const SyntaxTree tree = parsed(std::move(text));
    CPPUNIT_ASSERT(tree.diagnostics.empty());
    CPPUNIT_ASSERT_EQUAL(size_t{n}, tree.nodes.size());
    const auto& last = tree.nodes.back().get<ScopeNode>();
    CPPUNIT_ASSERT_EQUAL(std::string("10.0.78.31"), last.instance.value());
    CPPUNIT_ASSERT_EQUAL(uint32_t{n}, last.place.line);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, last.body.size());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, last.body.capacity());
  }
  void every_beginning_of_a_text() {
    const std::string text =
        "# c\nA /x(y)/ { o = ( a, \"b\\n\", [ k = v ] ) } /* c */\nB [::1]:25 = {\n include 'x' p [ q ( 1 ) ] }\nz = "
        "%{a}\n";
    for (size_t i = 0; i <= text.size(); ++i) {
      const SyntaxTree tree = parsed(text.substr(0, i));
      for (const Node& node : tree.nodes) CPPUNIT_ASSERT(node.span.begin <= node.span.end && node.span.end <= i);
      rendered(tree.diagnostics);
      const SyntaxTree tail = parsed(text.substr(i));
      rendered(tail.diagnostics);
      parse_line(source(text.substr(i)));
      parse_value(source(text.substr(0, i)));
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RobustnessTest);

}  // namespace
