// Template: a text with places to fill. One engine, two spellings of the same
// language (doc/http-injection.md says what each has).
#pragma once

#include "compose/value.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace impulse::compose {

enum class Dialect : uint8_t {
  sparkpost,  // {{ name or 'x' }}, {{{ raw }}}, {{ if a }} … {{ end }}, {{ each list }} … {{ end }}
  jinja,      // {{ name | default('x') }}, {% if a %} … {% endif %}, {% for x in list %} … {% endfor %}
  none,       // the text stands for itself
};

// What the text becomes a part of; by that values are escaped.
enum class Context : uint8_t {
  text,     // as they are
  html,     // & < > " ' / as entities
  amp,      // … and what stands in <template type="amp-mustache"> is no tag of ours (sparkpost)
  header,   // as they are; but one with a control character (CR, LF, NUL …) is an error
  section,  // … and none may begin a line: so it makes no field (a header section that is one template)
};

struct TemplateError {
  size_t line = 1;    // from 1
  size_t column = 1;  // in characters, from 1
  std::string reason;
  bool unsafe = false;            // a value would have made a header line
  bool too_large = false;         // the result is over Limits::output
  std::string to_string() const;  // "line 3, column 7: reason"
};

struct Limits {
  size_t output = size_t{64} << 20;   // bytes a rendering may have
  uint32_t iterations = 100'000;      // of all its loops together
  uint32_t dynamic = 4;               // render_dynamic_content within itself
  static constexpr int nesting = 32;  // of blocks in each other, and of an expression's parts
};

// What filling may still cost. A step is a piece of the template, a part of an
// expression, a name looked up, a turn of a loop, or 64 bytes of values gone
// through (of what is costlier than reading them: fewer). One for all texts of
// a message, so that no request makes one message last.
struct Work {
  static constexpr uint64_t usual = 2'000'000;
  uint64_t left = usual;
  bool take(uint64_t steps) {
    const bool enough = steps <= left;
    left = enough ? left - steps : 0;
    return enough;
  }
};

struct Document;  // the syntax tree

class Template {
 public:
  // Keeps a copy of the text. Thread-safe to render from several threads.
  static std::expected<Template, TemplateError> parse(std::string_view text, Dialect dialect, Context context);

  // Nothing in it depends on values.
  bool is_static() const;
  // Appends to `out`. A name that nothing has is written as nothing; an array
  // or an object cannot be written. After an error `out` holds a part.
  std::expected<void, TemplateError> render(const Scope& scope, const Limits& limits, Work& work,
                                            std::string& out) const;

 private:
  explicit Template(std::shared_ptr<const Document> document) : document_(std::move(document)) {}
  std::shared_ptr<const Document> document_;
};

}  // namespace impulse::compose
