// Templates and values, both the input's: the first byte chooses dialect and
// context, then stands the template, and behind the first 0xFF what the names a
// to e are. Whatever comes out keeps its limits and makes no line of a header;
// a template that is refused says where.
#include "compose/template.h"
#include "base/text.h"
#include "kit.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace impulse;
using namespace impulse::compose;
using fuzz::check;

Value values_of(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, '\xFF');
  const auto part = [&](size_t number) { return parts[number % parts.size()]; };
  const Value list(Value::Array{Value(part(0)), Value(part(1)), Value(int64_t{7}), Value(2.5), Value(true), Value()});
  const Value inner(Value::Object{{"a", Value(part(2))}, {"b", list}, {"c", Value(part(3))}});
  return Value(Value::Object{{"a", Value(part(0))},
                             {"b", list},
                             {"c", inner},
                             {"d", Value(Value::Array{inner, inner})},
                             {"e", Value(part(1))},
                             {"dynamic_html", inner}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 4096) return 0;
  const std::string_view input = fuzz::text_of(data + 1, size - 1);
  const size_t end = std::min(input.find('\xFF'), input.size());
  const std::string_view source = input.substr(0, end);
  const std::string_view rest = input.substr(std::min(end + 1, input.size()));
  // Values come from JSON: well-formed, whatever they say.
  for (const std::string_view part : split(rest, '\xFF'))
    if (!is_utf8(part)) return 0;
  const auto dialect = static_cast<Dialect>(data[0] % 3);
  const auto context = static_cast<Context>(data[0] / 3 % 4);
  const auto parsed = Template::parse(source, dialect, context);
  const auto lines = static_cast<size_t>(std::ranges::count(source, '\n')) + 1;
  if (!parsed) {
    check(parsed.error().line >= 1 && parsed.error().line <= lines && parsed.error().column >= 1, "an error nowhere");
    check(parsed.error().column <= source.size() + 1 && !parsed.error().reason.empty(), "an error that says nothing");
    return 0;
  }
  const Value values = values_of(rest);
  Scope scope;
  scope.layers = {&values};
  scope.dynamic = &values;
  Limits limits;
  limits.output = 1 << 16;
  limits.iterations = 1000;
  constexpr Work most{.left = 10'000};
  Work work = most;
  std::string out;
  const auto done = parsed->render(scope, limits, work, out);
  if (!done) {
    check(done.error().line >= 1 && done.error().line <= lines && !done.error().reason.empty(), "an error nowhere");
    return 0;
  }
  std::string again;
  work = most;
  check(parsed->render(scope, limits, work, again).has_value() && again == out, "another result the second time");
  if (parsed->is_static()) check(dialect != Dialect::none || out == source, "a static text that changed");
  // Every line end is the template's own.
  if (context == Context::header || context == Context::section) {
    const auto controls = [](std::string_view text) {
      return std::ranges::any_of(text, [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7F; });
    };
    if (!controls(source)) check(!controls(out), "a value made a line");
  }
  return 0;
}
