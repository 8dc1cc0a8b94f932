// TemplateParser: a template's text to its tree, in either spelling.
#pragma once

#include "compose/expression_parser.h"
#include "compose/link_watch.h"
#include "compose/nodes.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::compose {

class TemplateParser {
 public:
  // Fills document.nodes from document.source.
  explicit TemplateParser(Document& document) : document_(document), source_(document.source) {}
  std::expected<void, Problem> parse();

 private:
  // What a tag says that is no place to fill.
  struct Statement {
    enum class Kind : uint8_t { condition, otherwise_if, otherwise, loop, end, end_condition, end_loop };
    Kind kind = Kind::end;
    size_t at = 0;
    Expression expression{};      // condition, list
    std::string_view variable{};  // of a loop
  };

  void sparkpost();
  size_t kept_until(size_t at);
  void sparkpost_tag(size_t at);
  Statement sparkpost_statement(size_t at, ExpressionParser& tag);
  bool alone(size_t at, size_t end, size_t& line, size_t& rest) const;
  void jinja();
  void jinja_tag(size_t at);
  void jinja_comment(size_t at);
  void jinja_raw(ExpressionParser& tag);
  Statement jinja_statement(size_t at, ExpressionParser& tag);

  void text(size_t from, size_t to);
  Node output(size_t at, ExpressionParser& tag, bool raw);
  void apply(Statement statement);
  bool finish(ExpressionParser& tag);
  void fail(size_t at, std::string reason);
  Nodes& body();
  void skip_space();

  Document& document_;
  std::string_view source_;
  size_t position_ = 0;    // what stands in front of it is in the tree
  size_t kept_begin_ = 0;  // what AMP fills itself: the last one that was looked for
  size_t kept_end_ = 0;
  std::vector<Node> open_;  // blocks whose end is awaited, the innermost last
  std::expected<void, Problem> result_;
  LinkWatch link_;
};

}  // namespace impulse::compose
