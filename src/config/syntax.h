// The syntax tree of one source, lossless: every node knows the bytes it
// stands for, so that an edit can replace just those (DESIGN §3, writeback).
#pragma once

#include "config/rare_list.h"
#include "config/source.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace impulse::config {

// Byte offsets in Source::text, which has less than 4 GiB.
struct Span {
  uint32_t begin = 0;
  uint32_t end = 0;

  constexpr Span() = default;
  constexpr Span(size_t from, size_t to) : begin(static_cast<uint32_t>(from)), end(static_cast<uint32_t>(to)) {}
};

struct DictionaryEntry;

// A value as it was written, unescaped, not yet typed.
struct RawValue {
  enum class Kind : uint8_t { word, string, array, dictionary };
  Kind kind = Kind::word;
  Place place;
  Span span;
  std::string text;                   // word, string
  RareList<RawValue> items;           // array
  RareList<DictionaryEntry> entries;  // dictionary, in order

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

class Node;

// Names are views of the source's text, which the tree keeps alive.
struct OptionNode {
  std::string_view name;  // as written
  Place place;            // of the name
  RawValue value;
};

struct ScopeNode {
  std::string_view name;  // as written
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

// A statement: one of the above, behind a pointer, so that lists of them are
// small and grow fast, and one that has been read can be freed alone.
class Node {
 public:
  template <class T>
  Node(T what, Span where) : span(where), what_(std::make_unique<T>(std::move(what))) {}

  // nullptr: it is something else.
  template <class T>
  const T* get_if() const {
    const auto* held = std::get_if<std::unique_ptr<T>>(&what_);
    return held ? held->get() : nullptr;
  }
  // It has to be one.
  template <class T>
  const T& get() const {
    return *std::get<std::unique_ptr<T>>(what_);
  }
  bool same_kind(const Node& other) const { return what_.index() == other.what_.index(); }
  template <class Visitor>
  void visit(Visitor&& visitor) const {
    std::visit([&](const auto& held) { visitor(*held); }, what_);
  }
  // Frees what is in it: only the span can be asked for any more.
  void release() {
    std::visit([](auto& held) { held.reset(); }, what_);
  }

  Span span;

 private:
  std::variant<std::unique_ptr<OptionNode>, std::unique_ptr<ScopeNode>, std::unique_ptr<IncludeNode>> what_;
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
