// Expressions of templates, as a tree.
#pragma once

#include "compose/value.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace impulse::compose {

enum class Op : uint8_t {
  literal,
  path,    // steps
  negate,  // arguments: 1; from here on 1 to 3
  both,    // the first that is not true, or the second
  either,  // the first that is true, or the second
  equal,
  unequal,
  less,
  at_most,
  greater,
  at_least,
  within,   // the first is in the second
  defined,  // the first is there
  length,
  empty,  // an array or object without members, or nothing
  upper,
  lower,
  trim,
  join,  // an array's items, with the second (or nothing) between them
  first,
  last,
  replace,         // in the first, the second by the third
  fallback,        // the second, where the first is not there
  fallback_false,  // … or is not true
  html,            // escaped, and not again
  url,
  safe,  // not escaped
};

struct Expression;

struct Step {
  std::string_view name;          // .name
  std::vector<Expression> index;  // [expression]: one; none: it is a name
};

// Texts are borrowed from the document.
struct Expression {
  Op op = Op::literal;
  size_t at = 0;  // offset in the template
  Value value{};  // literal
  std::vector<Step> steps{};
  std::vector<Expression> arguments{};
};

}  // namespace impulse::compose
