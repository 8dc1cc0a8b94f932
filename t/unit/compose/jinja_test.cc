#include "compose/template.h"

#include "kit.h"

using namespace impulse;
using namespace impulse::compose;

namespace {

class JinjaTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(JinjaTest);
  CPPUNIT_TEST(expressions);
  CPPUNIT_TEST(filters);
  CPPUNIT_TEST(statements);
  CPPUNIT_TEST(white_space);
  CPPUNIT_TEST(html_is_escaped_once);
  CPPUNIT_TEST(what_is_not_known_is_refused);
  CPPUNIT_TEST_SUITE_END();

  const Value usual_ = object({{"name", text("Jörg")},
                               {"n", number(3)},
                               {"zero", number(0)},
                               {"blank", text("")},
                               {"null", Value()},
                               {"list", list({text("a"), text("b"), text("c")})},
                               {"rows", list({object({{"k", text("x")}}), object({{"k", text("y")}})})},
                               {"html", text("<b>")}});

  std::string run(std::string_view source, Context context = Context::text) const {
    return filled(source, Dialect::jinja, context, usual_);
  }

  void check(std::initializer_list<std::pair<std::string_view, std::string>> table) const {
    for (const auto& [source, expected] : table) CPPUNIT_ASSERT_EQUAL(expected, run(source));
  }

  void expressions() {
    check({{"Hello {{ name }}!", "Hello Jörg!"},
           {"{{ list[0] }}{{ list[-1] }}{{ list[3] }}", "ac"},
           {"{{ rows[1].k }}{{ rows[1]['k'] }}", "yy"},
           {"{{ none }}{{ true }}{{ False }}{{ -2 }}{{ missing.x }}", "truefalse-2"},
           {"{{ 'a' in list }}{{ 'z' not in list }}{{ 'ör' in name }}{{ 'k' in rows[0] }}", "truetruetruetrue"},
           {"{{ name is defined }}{{ nix is defined }}{{ nix is not defined }}{{ nix is undefined }}{{ null is none }}",
            "truefalsetruetruetrue"},
           {"{{ blank or 'x' }}{{ n and 'y' }}", "xy"}});
  }

  void filters() {
    check({{"{{ nix | default('d') }}{{ blank | default('d') }}{{ blank | default('d', true) }}{{ nix | default }}",
            "dd"},
           {"{{ name | upper }} {{ name | lower }}", "JÖRG jörg"},
           {"{{ name | length }} {{ list | length }} {{ list | count }}", "4 3 3"},
           {"{{ list | join }} {{ list | join(', ') }} {{ list | first }}{{ list | last }}", "abc a, b, c ac"},
           {"{{ ' x ' | trim }}|{{ 'a b&' | urlencode }}", "x|a%20b%26"},
           {"{{ 'aXbXc' | replace('X', '--') }}", "a--b--c"},
           {"{{ nix | d('v') | upper }}", "V"},
           {"{{ (nix | default(n)) == 3 }}", "true"}});
  }

  void statements() {
    check({{"{% if n > 2 %}a{% elif n %}b{% else %}c{% endif %}", "a"},
           {"{% if zero or blank or null or nix %}a{% else %}b{% endif %}", "b"},
           {"{% for x in list %}{{ loop.index }}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}", "1a,2b,3c"},
           {"{% for r in rows %}{{ loop.index0 }}{{ r.k }}{% endfor %}", "0x1y"},
           {"{% for x in nix %}a{% else %}none{% endfor %}", "none"},
           {"{% for r in rows %}{% for x in list %}{{ r.k }}{{ x }}{{ loop.length }} {% endfor %}{% endfor %}",
            "xa3 xb3 xc3 ya3 yb3 yc3 "},
           {"a{# {{ no }} {% if %} #}b", "ab"},
           {"{% raw %}{{ name }} {% if %}{% endraw %}!", "{{ name }} {% if %}!"},
           {"{ {{ n }} } {x} %} }} {", "{ 3 } {x} %} }} {"}});
  }

  void white_space() {
    check({{"a \n {%- if n -%} \n b {%- endif %} c", "ab c"},
           {"a {{- n -}} b", "a3b"},
           {"a {#- x -#} b", "ab"},
           {"{% if n %}\nx\n{% endif %}\n", "\nx\n\n"}});
  }

  void html_is_escaped_once() {
    CPPUNIT_ASSERT_EQUAL(std::string("&lt;b&gt; &lt;b&gt; <b> &lt;B&gt;"),
                         run("{{ html }} {{ html | e }} {{ html | safe }} {{ html | upper }}", Context::html));
    CPPUNIT_ASSERT_EQUAL(std::string("<b> &lt;b&gt;"), run("{{ html }} {{ html | escape }}"));
  }

  void what_is_not_known_is_refused() {
    check(
        {{"{% set x = 1 %}", "error: line 1, column 4: only if, elif, else, endif, for, endfor and raw are known here"},
         {"{% include 'x' %}",
          "error: line 1, column 4: only if, elif, else, endif, for, endfor and raw are known here"},
         {"{{ name | tojson }}", "error: line 1, column 11: there is no filter tojson"},
         {"{{ name | replace('x') }}", "error: line 1, column 11: the filter replace takes 2 arguments, not 1"},
         {"{{ range(9) }}", "error: line 1, column 4: there is no function range()"},
         {"{{ name is odd }}", "error: line 1, column 12: there is no test odd"},
         {"{% for a, b in list %}{% endfor %}", "error: line 1, column 9: expected in"},
         {"{% for a in list %}{% endif %}", "error: line 1, column 20: there is nothing that this could end"},
         {"{% if n %}{% endfor %}", "error: line 1, column 11: there is nothing that this could end"},
         {"{# x", "error: line 1, column 1: the comment does not end: expected #}"},
         {"{% raw %}x", "error: line 1, column 1: this raw has no endraw"},
         {"{{ n ~ name }}", "error: line 1, column 6: expected }} before ~"},
         {"{{ name | upper", "error: line 1, column 16: the tag does not end: expected }}"},
         {"{{ {} }}", "error: line 1, column 4: expected an expression before {"},
         {"{{ n | join }}", "error: line 1, column 8: only a list can be joined"}});
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(JinjaTest);

}  // namespace
