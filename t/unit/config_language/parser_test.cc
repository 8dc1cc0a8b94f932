#include "kit.h"

using namespace kit;

namespace {

class ParserTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ParserTest);
  CPPUNIT_TEST(options);
  CPPUNIT_TEST(values);
  CPPUNIT_TEST(scopes);
  CPPUNIT_TEST(includes);
  CPPUNIT_TEST(line_ends_mean_nothing);
  CPPUNIT_TEST(places_and_spans);
  CPPUNIT_TEST(statements_and_trivia_make_the_text);
  CPPUNIT_TEST_SUITE_END();

  void options() {
    reads("", "");
    reads("# nothing\n/* at all */", "");
    reads("Enable = true", "Enable=w'true'");
    reads("PROXYHOST=10.8.1.140\nPATH=/opt/x", "PROXYHOST=w'10.8.1.140' PATH=w'/opt/x'");
    reads("a = \"\"", "a=s''");
    reads("uri = 'ec\"auth'", "uri=s'ec\"auth'");
    reads("a = b c = d", "a=w'b' c=w'd'");
    reads("EHLO_Hostname = <string>", "EHLO_Hostname=w'<string>'");
    reads("hook:x-y::z = 1", "hook:x-y::z=w'1'");
    reads("Dir = var/mail/%{domain}/%{localpart}\nB = 1", "Dir=w'var/mail/%{domain}/%{localpart}' B=w'1'");
    reads("Bind = [::1]:25", "Bind=w'[::1]:25'");
  }
  void values() {
    reads("a = ( )", "a=( )");
    reads("a ( x y )", "a=( w'x' w'y' )");
    reads("a=(x,y , 'z',)", "a=( w'x' w'y' s'z' )");
    reads("a = ( (x) [k=v] )", "a=( ( w'x' ) [ k=w'v' ] )");
    reads("a [ ]", "a=[ ]");
    reads("a [ 0.0.0.2 = 'x' k=v, \"q k\" = ( 1 2 ) n [ x = 1 ] m ( 2 ) ]",
          "a=[ 0.0.0.2=s'x' k=w'v' q k=( w'1' w'2' ) n=[ x=w'1' ] m=( w'2' ) ]");
    reads("q = \"SELECT 1\n  AS x\"", "q=s'SELECT 1\n  AS x'");
    reads("a = ( # why\n x /* not */ y )", "a=( w'x' w'y' )");
  }
  void scopes() {
    reads("ac_auth {}", "ac_auth{}");
    reads("Listen \":25\" { }", "Listen<:25>{}");
    reads("Listen :25{Enable=true}", "Listen<:25>{ Enable=w'true' }");
    reads("Listen [::1]:25 {} Listen [*]:25{}", "Listen<[::1]:25>{} Listen<[*]:25>{}");
    reads("Domain /google\\.(com|es)$/{ a = 1 }", "Domain</google\\.(com|es)$/>{ a=w'1' }");
    reads("Domain /google\\.(com|es)$/ { }", "Domain</google\\.(com|es)$/>{}");
    reads("Domain [IPv6:::1] {}", "Domain<[IPv6:::1]>{}");
    reads("Listen /tmp/2025 { }", "Listen</tmp/2025>{}");
    reads("Peer 10.0.0.0/8 = { }", "Peer<10.0.0.0/8>{}");
    reads("cluster = { a = 1 }", "cluster{ a=w'1' }");
    reads("x \"\" { }", "x<>{}");
    reads("A { B b { c = 1 } d = 2 }", "A{ B<b>{ c=w'1' } d=w'2' }");
    reads("Domain \"/^yahoo\\\\.*/\" { }", "Domain</^yahoo\\.*/>{}");
  }
  void includes() {
    reads("include \"a.conf\"", "include<a.conf>");
    reads("INCLUDE /etc/a.conf\nA { Readonly_Include 'b c' }", "include</etc/a.conf> A{ readonly_include<b c> }");
    reads("include_not = 1", "include_not=w'1'");
  }
  void line_ends_mean_nothing() {
    reads("A\n\"x\"\n{\na\n=\n1\nb =\n\"2\"\n}", "A<x>{ a=w'1' b=s'2' }");
    reads("query =\n\"x\"", "query=s'x'");
    reads("A b\n{ }", "A<b>{}");
    reads("a\n(\n1\n,\n2\n)", "a=( w'1' w'2' )");
    reads("A{b=1}C{}d=2", "A{ b=w'1' } C{} d=w'2'");
    reads("a = 1\r\nb = 2\r\n", "a=w'1' b=w'2'");
  }
  void places_and_spans() {
    const std::string text = "# x\n  A \"i\" {\n  opt = ( a\n b ) }\nc = d\n";
    const SyntaxTree tree = parsed(text);
    CPPUNIT_ASSERT(tree.diagnostics.empty());
    const auto cut = [&](Span span) { return text.substr(span.begin, span.end - span.begin); };
    const auto at = [](Place place) { return fmt::format("{}:{}", place.line, place.column); };
    const auto& scope = tree.nodes.at(0).get<ScopeNode>();
    CPPUNIT_ASSERT_EQUAL(std::string("A \"i\" {\n  opt = ( a\n b ) }"), cut(tree.nodes[0].span));
    CPPUNIT_ASSERT_EQUAL(std::string("{\n  opt = ( a\n b ) }"), cut(scope.braces));
    CPPUNIT_ASSERT_EQUAL(std::string("2:3"), at(scope.place));
    CPPUNIT_ASSERT_EQUAL(std::string("2:5"), at(scope.instance_place));
    const auto& option = scope.body.at(0).get<OptionNode>();
    CPPUNIT_ASSERT_EQUAL(std::string("opt = ( a\n b )"), cut(scope.body[0].span));
    CPPUNIT_ASSERT_EQUAL(std::string("( a\n b )"), cut(option.value.span));
    CPPUNIT_ASSERT_EQUAL(std::string("3:3"), at(option.place));
    CPPUNIT_ASSERT_EQUAL(std::string("3:9"), at(option.value.place));
    CPPUNIT_ASSERT_EQUAL(std::string("b"), cut(option.value.items.at(1).span));
    CPPUNIT_ASSERT_EQUAL(std::string("4:2"), at(option.value.items[1].place));
    CPPUNIT_ASSERT_EQUAL(std::string("c = d"), cut(tree.nodes.at(1).span));
  }
  void statements_and_trivia_make_the_text() {
    // What lies between statements is white space and comments only.
    const std::string text = "# head\na = 1 # one\n\nB \"x\" { # two\n  c (1 2)\n} /* three */ include 'y'\n# tail\n";
    const SyntaxTree tree = parsed(text);
    std::string rest;
    size_t end = 0;
    for (const Node& node : tree.nodes) {
      CPPUNIT_ASSERT(node.span.begin >= end);
      rest += text.substr(end, node.span.begin - end);
      end = node.span.end;
    }
    rest += text.substr(end);
    CPPUNIT_ASSERT_EQUAL(std::string("# head\n # one\n\n /* three */ \n# tail\n"), rest);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ParserTest);

}  // namespace
