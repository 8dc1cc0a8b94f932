// Source: one text that configuration came from, and places in it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::config {

// A file, or something typed ("console: alice"). Immutable.
struct Source {
  std::string name;  // path as it was found, or "console: user"
  std::string text;
  bool is_file = false;
  bool readonly = false;  // by readonly_include, or included twice
};

// A place in a source; lines and columns count from 1, columns in bytes.
struct Place {
  uint32_t line = 0;
  uint32_t column = 0;
};

// Where something was said. A null source means: nowhere (a default).
struct Origin {
  std::shared_ptr<const Source> source;
  Place place;
  std::string to_string() const;  // "file:line:column"; "default" without a source
};

// A mistake, or a notice. Rendered like a compiler's:
//   conf/impulse.conf:12:3: error: unknown option 'Lisen_Backlog' [config-unknown-option]
//      12 |   Lisen_Backlog = 500
//         |   ^~~~~~~~~~~~~
//   did you mean 'Listen_Backlog'?
struct Diagnostic {
  enum class Severity : uint8_t { error, warning, notice };
  Severity severity = Severity::error;
  std::string id;  // stable, as in doc/: "config-unknown-option"
  Origin origin;
  uint32_t length = 1;                // of the text the caret line underlines, bytes
  std::string message;                // one line
  std::string hint;                   // "did you mean …", or empty
  std::vector<Origin> include_stack;  // innermost first

  std::string headline() const;  // first line only: file:line:col: message, and the hint
  std::string render() const;    // all of it, several lines, no trailing newline
};

using Diagnostics = std::vector<Diagnostic>;
bool has_errors(const Diagnostics& diagnostics);

}  // namespace impulse::config
