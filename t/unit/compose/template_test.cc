#include "compose/template.h"
#include "compose/link_watch.h"

#include "kit.h"

#include <vector>

using namespace impulse;
using namespace impulse::compose;

namespace {

std::string sparkpost(std::string_view source, const Value& values, Context context = Context::text) {
  return filled(source, Dialect::sparkpost, context, values);
}

class TemplateTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TemplateTest);
  CPPUNIT_TEST(values);
  CPPUNIT_TEST(paths_and_layers);
  CPPUNIT_TEST(conditions);
  CPPUNIT_TEST(loops);
  CPPUNIT_TEST(statements_leave_no_empty_lines);
  CPPUNIT_TEST(escapes_by_context);
  CPPUNIT_TEST(links);
  CPPUNIT_TEST(links_cost_nothing);
  CPPUNIT_TEST(macros);
  CPPUNIT_TEST(dynamic_content);
  CPPUNIT_TEST(no_value_makes_a_line_of_a_header);
  CPPUNIT_TEST(errors_say_where);
  CPPUNIT_TEST(limits);
  CPPUNIT_TEST_SUITE_END();

  const Value usual_ = object({{"name", text("Jane")},
                               {"age", Value()},
                               {"price", Value(39.99)},
                               {"five", Value(5.0)},
                               {"big", Value(uint64_t{18446744073709551615U})},
                               {"yes", Value(true)},
                               {"no", Value(false)},
                               {"empty_list", list({})},
                               {"states", list({text("MD"), text("CA")})},
                               {"part", text("street")},
                               {"home", object({{"street", text("Howard Street")}, {"city", text("San Francisco")}})}});

  void values() {
    const std::pair<std::string_view, std::string> table[] = {
        {"", ""},
        {"plain }} text { with braces }", "plain }} text { with braces }"},
        {"{{name}} {{ name }} {{   name\n}}", "Jane Jane Jane"},
        {"[{{age}}][{{nothing}}][{{nothing.at.all}}]", "[][][]"},
        {"{{ nothing or 'Customer' }} {{ age or \"x\" }} {{ name or 'y' }}", "Customer x Jane"},
        {"{{price}} {{five}} {{big}} {{yes}} {{no}}", "39.99 5 18446744073709551615 true false"},
        {"{{ 'it\\'s' }} {{ -5 }} {{ 2.50 }}", "it's -5 2.5"},
        {"ünïcödé {{name}} ✓", "ünïcödé Jane ✓"},
    };
    for (const auto& [source, expected] : table) CPPUNIT_ASSERT_EQUAL(expected, sparkpost(source, usual_));
  }

  void paths_and_layers() {
    CPPUNIT_ASSERT_EQUAL(std::string("Howard Street San Francisco Howard Street"),
                         sparkpost("{{home.street}} {{home['city']}} {{home[part]}}", usual_));
    CPPUNIT_ASSERT_EQUAL(std::string("MD CA [] []"),  // from 1, as SparkPost counts
                         sparkpost("{{states[1]}} {{states[2]}} [{{states[3]}}] [{{states[0]}}]", usual_));
    const Value own = object({{"home", object({{"city", text("New York")}})}});
    const auto parsed = Template::parse("{{home.city}}, {{home.street}}", Dialect::sparkpost, Context::text);
    CPPUNIT_ASSERT(parsed.has_value());
    Scope scope;
    scope.layers = {&own, &usual_};
    std::string out;
    Work work;
    CPPUNIT_ASSERT(parsed->render(scope, {}, work, out).has_value());
    CPPUNIT_ASSERT_EQUAL(std::string("New York, Howard Street"), out);
  }

  void conditions() {
    const std::pair<std::string_view, std::string> table[] = {
        {"{{if yes}}a{{else}}b{{end}}", "a"},
        {"{{if no then}}a{{elseif nothing}}b{{else}}c{{end}}", "c"},
        {"{{if not nothing}}a{{end}}", "a"},
        {"{{if five > 3 and home.city == \"San Francisco\"}}a{{end}}", "a"},
        {"{{if five >= 5 and five <= 5 and five != 4}}a{{end}}", "a"},
        {"{{if name < 'K'}}a{{end}}{{if name > 5}}b{{end}}", "a"},  // what has no order is not ordered
        {"{{if no or nothing or yes}}a{{end}}", "a"},
        {"{{if (no or yes) and not (yes and no)}}a{{end}}", "a"},
        {"{{if #states == 2}}a{{end}}", "a"},
        {"{{if empty(empty_list)}}a{{end}}{{if empty(states)}}b{{end}}", "a"},
        {"{{if 0}}a{{end}}{{if ''}}b{{end}}", "ab"},  // only false and null are not true
        {"{{if yes}}{{if no}}x{{else}}y{{end}}z{{end}}", "yz"},
        {"{{ifthen}}{{ended}}{{eachone}}", ""},  // names that begin like keywords
    };
    for (const auto& [source, expected] : table) CPPUNIT_ASSERT_EQUAL(expected, sparkpost(source, usual_));
  }

  void loops() {
    const Value cart = object(
        {{"cart", list({object({{"name", text("Jacket")},
                                {"parts", list({object({{"key", text("v2")}}), object({{"key", text("v1")}})})}}),
                        object({{"name", text("Gloves")}})})},
         {"none", Value()}});
    CPPUNIT_ASSERT_EQUAL(std::string("1.Jacket 2.Gloves "),
                         sparkpost("{{each cart}}{{loop_index}}.{{loop_var.name}} {{end}}", cart));
    CPPUNIT_ASSERT_EQUAL(
        std::string("Jacket:v2,v1,;Gloves:;"),
        sparkpost(
            "{{each cart}}{{loop_vars.cart.name}}:{{each loop_vars.cart.parts}}{{loop_vars.parts.key}},{{end}};{{end}}",
            cart));
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), sparkpost("{{each none}}x{{end}}{{each missing}}y{{end}}ok", cart));
    CPPUNIT_ASSERT_EQUAL(std::string("error: line 1, column 1: what the loop goes over is no list"),
                         sparkpost("{{each cart[1].name}}x{{end}}", cart));
  }

  void statements_leave_no_empty_lines() {
    const Value values = object({{"state", text("MD")}});
    CPPUNIT_ASSERT_EQUAL(std::string("Start\nMaryland\nEnd"),
                         sparkpost("Start\n{{ if state == \"MD\" }}\nMaryland\n  {{ end }}  \nEnd", values));
    CPPUNIT_ASSERT_EQUAL(std::string("Start\r\nMaryland\r\n"),
                         sparkpost("Start\r\n{{if state}}\r\nMaryland\r\n{{end}}\r\n", values));
    CPPUNIT_ASSERT_EQUAL(std::string("Hi Bob and all\n"), sparkpost("Hi {{if state}}Bob{{end}} and all\n", values));
    CPPUNIT_ASSERT_EQUAL(std::string("x\n"), sparkpost("{{if state}}\nx\n{{end}}", values));
  }

  void escapes_by_context() {
    const Value values = object({{"v", text("<b>\"It's\" & /</b>")}});
    const std::string raw = "<b>\"It's\" & /</b>";
    const std::string html = "&lt;b&gt;&quot;It&#39;s&quot; &amp; &#x2F;&lt;&#x2F;b&gt;";
    CPPUNIT_ASSERT_EQUAL(raw, sparkpost("{{v}}", values, Context::text));
    CPPUNIT_ASSERT_EQUAL(html, sparkpost("{{v}}", values, Context::html));
    CPPUNIT_ASSERT_EQUAL(raw, sparkpost("{{{v}}}", values, Context::html));
    CPPUNIT_ASSERT_EQUAL(raw, sparkpost("{{v}}", values, Context::header));
  }

  void links() {
    const Value values = object({{"code", text("Daily Deal!")}, {"site", text("www.example.com/a?b=c")}});
    CPPUNIT_ASSERT_EQUAL(
        std::string("<a href=\"https://x.example/d?c=Daily%20Deal%21&d=Daily%20Deal%21\" t=\"Daily Deal!\">"),
        sparkpost("<a href=\"https://x.example/d?c={{code}}&d={{code}}\" t=\"{{code}}\">", values, Context::html));
    CPPUNIT_ASSERT_EQUAL(std::string("https://www.example.com/a?b=c/ Daily Deal!"),
                         sparkpost("https://{{{site}}}/ {{code}}", values));
    CPPUNIT_ASSERT_EQUAL(std::string("http:/Daily Deal!"), sparkpost("http:/{{code}}", values));
  }

  void links_cost_nothing() {
    LinkWatch watch;
    const auto after = [&](std::string_view text) {
      watch.follow(text);
      CPPUNIT_ASSERT(watch.kept() <= 7);  // whatever came before
      return watch.inside();
    };
    CPPUNIT_ASSERT(!after(std::string(100'000, 'h')));
    for (int i = 0; i < 1000; ++i) CPPUNIT_ASSERT(!after("h"));
    CPPUNIT_ASSERT(!after("ttps:/"));
    CPPUNIT_ASSERT(after("/"));
    CPPUNIT_ASSERT(after("x") && !after(" x"));
    CPPUNIT_ASSERT(!after("xxhttp") && after("://x") && !after("\"") && after(" y<https://") && after("z"));
    CPPUNIT_ASSERT(!after(" https:/") && !after(" /"));
  }

  void macros() {
    CPPUNIT_ASSERT_EQUAL(std::string("{{ }} {{{ }}}"),
                         sparkpost("{{opening_double_curly()}} {{closing_double_curly()}} "
                                   "{{{opening_triple_curly()}}} {{{closing_triple_curly()}}}",
                                   usual_));
    CPPUNIT_ASSERT_EQUAL(std::string("2"), sparkpost("{{#states}}", usual_));
  }

  void dynamic_content() {
    const Value values = object(
        {{"dynamic_html",
          object({{"chunk", text("<p>{{who}}</p>")}, {"self", text("{{render_dynamic_content(dynamic_html.self)}}")}})},
         {"offers", list({text("chunk")})},
         {"who", text("<me>")},
         {"code", text("{{who}}")}});
    const auto html = [&](std::string_view source) { return sparkpost(source, values, Context::html); };
    CPPUNIT_ASSERT_EQUAL(std::string("<p>&lt;me&gt;</p>"), html("{{ render_dynamic_content(dynamic_html.chunk) }}"));
    CPPUNIT_ASSERT_EQUAL(std::string("<p>&lt;me&gt;</p>"),
                         html("{{each offers}}{{render_dynamic_content(dynamic_html[loop_var])}}{{end}}"));
    // A value is never a program.
    CPPUNIT_ASSERT_EQUAL(std::string("{{who}}"), html("{{code}}"));
    for (const Context context : {Context::header, Context::section})
      CPPUNIT_ASSERT(sparkpost("x{{render_dynamic_content(dynamic_html.chunk)}}", values, context)
                         .ends_with("dynamic content cannot stand in a header field"));
    CPPUNIT_ASSERT(html("{{render_dynamic_content(code)}}").starts_with("error: line 1, column "));
    CPPUNIT_ASSERT(html("{{render_dynamic_content(offers[1])}}").starts_with("error: line 1, column 1: "));
    CPPUNIT_ASSERT(html("{{render_dynamic_content(dynamic_html.self)}}").contains("nested too deeply"));
    CPPUNIT_ASSERT(html("{{render_dynamic_content(dynamic_html.none)}}").contains("no such dynamic content"));
  }

  void no_value_makes_a_line_of_a_header() {
    using namespace std::string_view_literals;
    for (const std::string_view bad : {"a\r\nBcc: x"sv, "a\n"sv, "\r"sv, "a\0b"sv, "\x7f"sv, "\x1b"sv}) {
      const Value values = object({{"v", Value(bad)}, {"l", list({Value(bad)})}});
      for (const std::string_view source : {"x{{v}}", "x{{{v}}}", "x{{v or 'y'}}", "x{{each l}}{{loop_var}}{{end}}"}) {
        CPPUNIT_ASSERT(sparkpost(source, values, Context::header).starts_with("error: line 1, column "));
        CPPUNIT_ASSERT(sparkpost(source, values, Context::section).starts_with("error: line 1, column "));
        CPPUNIT_ASSERT(!sparkpost(source, values, Context::text).starts_with("error"));
      }
    }
    const Value field = object({{"v", text("Bcc: x@y.example")}, {"none", text("")}});
    for (const std::string_view source : {"{{v}}\nA: b\n", "A: b\n{{v}}\n", "A: b\n{{if v}}\n{{v}}\n{{end}}\n"})
      CPPUNIT_ASSERT(sparkpost(source, field, Context::section).contains("may not begin a line"));
    CPPUNIT_ASSERT_EQUAL(std::string("A: Bcc: x@y.example\n"),
                         sparkpost("{{none}}A: {{v}}\n", field, Context::section));
  }

  void errors_say_where() {
    const std::pair<std::string_view, std::string> table[] = {
        {"{{", "line 1, column 3: the tag does not end: expected }}"},
        {"{{ name", "line 1, column 8: the tag does not end: expected }}"},
        {"{{}}", "line 1, column 3: expected an expression"},
        {"a\nü{{ name name }}", "line 2, column 10: expected }} before name"},
        {"{{ 'x }}", "line 1, column 4: the string does not end"},
        {"{{ if a }}x", "line 1, column 1: this condition has no end"},
        {"x\n {{each a}}x", "line 2, column 2: this loop has no end"},
        {"{{end}}", "line 1, column 1: there is nothing that this could end"},
        {"{{else}}", "line 1, column 1: there is no condition that this else could belong to"},
        {"{{if a}}{{else}}{{else}}{{end}}", "line 1, column 17: there is no condition that this else could belong to"},
        {"{{if a}}{{else}}{{elseif b}}{{end}}", "line 1, column 17: there is no condition that this could belong to"},
        {"{{each a}}{{else}}{{end}}", "line 1, column 11: there is no condition that this else could belong to"},
        {"{{if a}}{{else if b}}{{end}}", "line 1, column 16: write elseif"},
        {"{{ shout(a) }}", "line 1, column 4: there is no macro shout()"},
        {"{{ a | upper }}", "line 1, column 6: expected }} before |"},
        {"{{ a + 1 }}", "line 1, column 6: expected }} before +"},
        {"{{#if a}}x{{/if}}", "line 1, column 7: expected }} before a"},  // handlebars
        {"{{ a. }}", "line 1, column 7: expected a name behind the dot"},
        {"{{ a[1 }}", "line 1, column 8: expected ]"},
        {"{{ 1e5 }}", "line 1, column 5: expected }} before e5"},
        {"{{each 'x'}}{{end}}", "line 1, column 11: each takes the name of a list"},
        {"{{{ a }}", "line 1, column 7: expected }}} before }"},
        {"{{ a 'x\ny' }}", "line 1, column 6: expected }} before 'x\\ny'"},  // one line
        {"{{ if }}x{{end}}", "line 1, column 7: expected an expression"},
    };
    for (const auto& [source, expected] : table) CPPUNIT_ASSERT_EQUAL("error: " + expected, sparkpost(source, usual_));
    CPPUNIT_ASSERT_EQUAL(std::string("error: line 1, column 4: the value is a list and cannot be written"),
                         sparkpost("{{ states }}", usual_));
    CPPUNIT_ASSERT_EQUAL(std::string("error: line 1, column 4: the value is an object and cannot be written"),
                         sparkpost("{{ home }}", usual_));
  }

  void limits() {
    const auto repeated = [](size_t times, std::string_view what) {
      std::string out;
      for (size_t i = 0; i < times; ++i) out += what;
      return out;
    };
    CPPUNIT_ASSERT_EQUAL(std::string("x"),
                         sparkpost(repeated(32, "{{if yes}}") + "x" + repeated(32, "{{end}}"), usual_));
    CPPUNIT_ASSERT(sparkpost(repeated(33, "{{if yes}}") + "x" + repeated(33, "{{end}}"), usual_)
                       .ends_with("blocks are nested too deeply"));
    for (const auto& [open, close] : {std::pair("(", ")"), std::pair("not ", ""), std::pair("a[", "]"),
                                      std::pair("yes or ", ""), std::pair("yes and ", "")})
      CPPUNIT_ASSERT(
          sparkpost("{{if " + repeated(100'000, open) + "1" + repeated(100'000, close) + "}}x{{end}}", usual_)
              .starts_with("error: line 1, "));
    CPPUNIT_ASSERT(sparkpost("{{a" + repeated(100'000, ".a") + "}}", usual_).ends_with("the path is too long"));

    std::vector<Value> many(1000, Value(true));
    const Value values = object({{"l", Value(std::move(many))}, {"long", text("0123456789")}});
    Limits narrow;
    narrow.iterations = 1500;
    narrow.output = 500;
    CPPUNIT_ASSERT(filled("{{each l}}{{end}}", Dialect::sparkpost, Context::text, values, narrow).empty());
    CPPUNIT_ASSERT_EQUAL(
        std::string("error: line 1, column 18: the loops turn more than 1500 times"),
        filled("{{each l}}{{end}}{{each l}}{{end}}", Dialect::sparkpost, Context::text, values, narrow));
    CPPUNIT_ASSERT(filled("{{each l}}{{long}}{{end}}", Dialect::sparkpost, Context::text, values, narrow)
                       .ends_with("the result is longer than 500 bytes"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TemplateTest);

}  // namespace
