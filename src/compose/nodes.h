// A template's tree: texts, places to fill, conditions, loops.
#pragma once

#include "compose/expression.h"
#include "compose/template.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::compose {

struct Node;
using Nodes = std::vector<Node>;

struct Branch {
  bool otherwise = false;  // else: no condition
  Expression condition{};
  Nodes body;
};

struct Node {
  enum class Kind : uint8_t { text, output, dynamic, choice, loop };
  Kind kind = Kind::text;
  size_t at = 0;            // offset in the template
  std::string_view text{};  // of a text; of a loop: its variable (jinja), or the list's name (sparkpost)
  // output, dynamic: what is written. loop: the list.
  Expression expression{};
  bool raw = false;                // not escaped
  bool url = false;                // within a link: percent-encoded
  std::vector<Branch> branches{};  // choice. loop: the body, perhaps an else
};

struct Document {
  std::string source;
  Dialect dialect = Dialect::none;
  Context context = Context::text;
  Nodes nodes;
  std::deque<std::string> strings;  // literals whose escapes were resolved
};

// Something wrong at an offset of the template.
struct Problem {
  size_t at = 0;
  std::string reason;
  bool unsafe = false;     // a value would have made a header line
  bool too_large = false;  // the result is over Limits::output
};

}  // namespace impulse::compose
