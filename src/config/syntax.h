// The syntax tree of one source, lossless: every node knows the bytes it
// stands for, so that an edit can replace just those (DESIGN §3, writeback).
#pragma once

#include "config/source.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace impulse::config {

struct Span {
  size_t begin = 0;  // byte offsets in Source::text
  size_t end = 0;
};

struct DictionaryEntry;

// A value as it was written, unescaped, not yet typed.
struct RawValue {
  enum class Kind : uint8_t { word, string, array, dictionary };
  Kind kind = Kind::word;
  Place place;
  Span span;
  std::string text;                      // word, string
  std::vector<RawValue> items;           // array
  std::vector<DictionaryEntry> entries;  // dictionary, in order

  // The configuration language's spelling of it: a word that can stand bare
  // stays bare, else "quoted"; arrays "( a b )", dictionaries "[ k = v ]".
  std::string to_string() const;
};

// Named as in a pair, which cannot be used: a pair asks about RawValue before
// that type is complete, and clang does not let it pass.
struct DictionaryEntry {
  std::string first;
  RawValue second;
};

struct Node;

struct OptionNode {
  std::string name;  // as written
  Place place;       // of the name
  RawValue value;
};

struct ScopeNode {
  std::string name;  // as written
  Place place;
  std::optional<std::string> instance;  // unquoted, unescaped
  Place instance_place;
  std::vector<Node> body;
  Span braces;  // from '{' to behind '}'
};

struct IncludeNode {
  std::string path;
  Place place;
  bool readonly = false;
};

struct Node {
  std::variant<OptionNode, ScopeNode, IncludeNode> what;
  Span span;
};

struct SyntaxTree {
  std::shared_ptr<const Source> source;
  std::vector<Node> nodes;
  Diagnostics diagnostics;  // parsing recovers at the next statement and goes on
};

// Never throws; nesting deeper than 200, NULs and bytes that are not UTF-8 are errors.
SyntaxTree parse(std::shared_ptr<const Source> source);

// One value, and nothing behind it: for the console ("config set … value").
// `text` may be several words, which are taken as one array only inside ( ).
struct ParsedValue {
  std::optional<RawValue> value;
  Diagnostics diagnostics;
};
ParsedValue parse_value(std::shared_ptr<const Source> source);

// A console line cut into the language's tokens: words, quoted strings, and
// whole ( … ) and [ … ] values, each as a RawValue; a lone "=" is left out.
struct ParsedLine {
  std::vector<RawValue> words;
  Diagnostics diagnostics;
};
ParsedLine parse_line(std::shared_ptr<const Source> source);

// Quotes when it has to: what parse gives back as the same text.
std::string quote_if_needed(std::string_view text);

}  // namespace impulse::config
