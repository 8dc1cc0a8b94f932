// The work that filling a text may cost is counted, whatever the text does.
#include "compose/template.h"

#include "kit.h"

#include <string>
#include <vector>

using namespace impulse;
using namespace impulse::compose;

namespace {

constexpr std::string_view refusal = "filling the message takes too many steps";

// Steps that it took; 0: it could not be done within those.
uint64_t steps(std::string_view source, Dialect dialect, const Value& values, uint64_t most = Work::usual) {
  const auto parsed = Template::parse(source, dialect, Context::text);
  CPPUNIT_ASSERT_MESSAGE(parsed ? "" : parsed.error().to_string(), parsed.has_value());
  Scope scope;
  scope.layers = {&values};
  scope.dynamic = &values;
  Work work{.left = most};
  std::string out;
  const auto done = parsed->render(scope, {}, work, out);
  if (done) return most - work.left;
  CPPUNIT_ASSERT_MESSAGE(done.error().to_string(), done.error().reason.ends_with(refusal));
  CPPUNIT_ASSERT_EQUAL(uint64_t{0}, work.left);
  return 0;
}

class WorkTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(WorkTest);
  CPPUNIT_TEST(everything_counts);
  CPPUNIT_TEST(usual_texts_take_little);
  CPPUNIT_TEST(members_of_large_objects);
  CPPUNIT_TEST_SUITE_END();

  const std::string big_ = std::string(100'000, 'a');
  const std::string other_ = std::string(99'999, 'a') + "b";
  const std::string half_ = std::string(50'000, 'a') + "b";
  const std::string program_ = "{{each none}}{{end}}" + big_;
  const Value values_ = object({{"l", Value(Value::Array(2000, Value(true)))},
                                {"texts", Value(Value::Array(50, text(big_)))},
                                {"big", text(big_)},
                                {"other", text(other_)},
                                {"half", text(half_)},
                                {"dynamic_html", object({{"big", text(program_)}})},
                                {"x", text("x")}});

  void everything_counts() {
    const std::string outputs = [] {
      std::string out;
      for (int i = 0; i < 100; ++i) out += "{{ nothing }}";
      return out;
    }();
    const auto looped = [](std::string_view body) { return "{% for i in l %}" + std::string(body) + "{% endfor %}"; };
    const std::string table[] = {
        looped(""),  // turns
        "{% for i in few %}{% endfor %}" + looped("t{{ i }}"),
        looped("{% if i %}{% endif %}"),
        looped(outputs),
        "{{ 'x' in texts }}{{ big in texts }}",  // comparisons
        looped("{{ 'x' in l }}"),
        "{{ big == other }}",
        "{{ big < other }}",
        "{{ 'ab' in big }}",
        "{{ half in big }}",
        "{{ big }}",  // bytes
        "{{ big | length }}",
        "{{ big | upper }}",
        "{{ big | lower }}",
        "{{ big | trim }}",
        "{{ big | e }}",
        "{{ big | urlencode }}",
        "{{ big | replace('b', 'c') }}",
        "{{ x | replace('x', big) }}",
        "{{ big | replace(half, 'c') }}",
        "{{ l | join }}",
        "{{ l | join(big) }}",
        "{{ dynamic_html[big] }}",  // a name
    };
    for (const std::string& source : table)
      CPPUNIT_ASSERT_EQUAL_MESSAGE(source.substr(0, 60), uint64_t{0}, steps(source, Dialect::jinja, values_, 1000));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0},
                         steps("{{ render_dynamic_content(dynamic_html.big) }}", Dialect::sparkpost, values_, 1000));
    // A search is counted by what it takes at worst: both lengths.
    CPPUNIT_ASSERT(steps("{{ 'b' in big }}", Dialect::jinja, values_) < 2000);
    CPPUNIT_ASSERT(steps("{{ half in big }}", Dialect::jinja, values_) > 1'000'000);
    // One that was refused is refused where it was, and nothing goes on behind it.
    CPPUNIT_ASSERT_EQUAL(
        "error: line 2, column 1: " + std::string(refusal),
        filled("x\n{{ big }}{{ nothing | join }}", Dialect::jinja, Context::text, values_, {}, Work{.left = 5}));
  }

  void usual_texts_take_little() {
    CPPUNIT_ASSERT(steps("Hello {{ x }}, {% if nothing %}a{% else %}b{% endif %}", Dialect::jinja, values_) < 20);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, steps(big_, Dialect::jinja, values_));
    // 2000 rows of two cells.
    CPPUNIT_ASSERT(steps("{{each l}}<td>{{loop_var}}</td><td>{{x}}</td>{{end}}", Dialect::sparkpost, values_) < 50'000);
  }

  // A name costs the same in any object, and is found.
  void members_of_large_objects() {
    std::vector<std::string> names;
    for (int i = 0; i < 5000; ++i) names.push_back("name" + std::to_string((i * 7919) % 5000));
    for (const size_t size : {1UL, 16UL, 17UL, 18UL, 5000UL}) {
      Value::Object members;
      for (size_t i = 0; i < size; ++i) members.push_back({names[i], text(names[i])});
      const Value values(std::move(members));
      for (size_t i = 0; i < size; ++i) {
        const Value* found = values.member(names[i]);
        CPPUNIT_ASSERT(found != nullptr && *found->string() == names[i]);
      }
      for (const std::string_view absent : {"", "a", "name", "name10000", "z"})
        CPPUNIT_ASSERT(values.member(absent) == nullptr);
      CPPUNIT_ASSERT(steps("{{" + names[size - 1] + "}}{{absent}}", Dialect::sparkpost, values) < 20);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(WorkTest);

}  // namespace
