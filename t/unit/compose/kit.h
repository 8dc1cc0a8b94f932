// What the tests of compose/ share: values written down, templates filled.
#pragma once

#include "compose/composer.h"
#include "compose/template.h"

#include <cppunit/extensions/HelperMacros.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace impulse::compose {

inline Value text(std::string_view value) { return Value(value); }
inline Value number(int64_t value) { return Value(value); }
inline Value list(std::initializer_list<Value> items) { return Value(Value::Array(items)); }
inline Value object(std::initializer_list<Member> members) { return Value(Value::Object(members)); }

// The result, or "error: line …".
inline std::string filled(std::string_view source, Dialect dialect, Context context, const Value& values,
                          Limits limits = {}, Work work = {}) {
  const auto parsed = Template::parse(source, dialect, context);
  if (!parsed) return "error: " + parsed.error().to_string();
  Scope scope;
  scope.layers = {&values};
  scope.dynamic = &values;
  std::string out;
  if (const auto done = parsed->render(scope, limits, work, out); !done) return "error: " + done.error().to_string();
  return out;
}

inline size_t count(std::string_view text, std::string_view what) {
  size_t out = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++out;
  return out;
}

}  // namespace impulse::compose
