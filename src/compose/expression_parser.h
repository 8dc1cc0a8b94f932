// ExpressionParser: reads the inside of one tag of a template.
#pragma once

#include "compose/nodes.h"

#include <optional>
#include <string>
#include <string_view>

namespace impulse::compose {

class ExpressionParser {
 public:
  // `at`: the offset behind the tag's opening; `close`: what ends the tag.
  ExpressionParser(Document& document, size_t at, std::string_view close);

  Expression expression();
  bool word(std::string_view keyword);  // takes it when it comes next
  bool comes(std::string_view text);    // … and does not take it
  bool call(std::string_view name);     // takes `name(`
  void expect(std::string_view punctuation);
  std::string_view name();  // a name that a variable may have
  void close();
  bool ends();                    // the tag's end comes next
  void fail(std::string reason);  // where the next token begins

  // After close().
  size_t position() const { return position_; }
  bool trims() const { return trims_; }  // "-%}"
  const std::optional<Problem>& problem() const { return problem_; }

 private:
  enum class Kind : uint8_t { end, name, number, string, sign };
  struct Token {
    Kind kind = Kind::end;
    std::string_view text;  // of a string: with its quotes
    size_t at = 0;
  };

  const Token& peek();
  Token take();
  bool sign(std::string_view text);
  Token scan();
  Token scan_string(size_t at);
  void fail(size_t at, std::string reason);
  std::string_view unquoted(std::string_view quoted);

  Expression either();
  Expression both();
  Expression negated();
  Expression comparison();
  Expression filtered();
  Expression filter(Expression input);
  Expression primary();
  Expression number(const Token& token, bool minus);
  Expression path(const Token& first);
  Expression function(const Token& name);
  static Expression with(Op op, size_t at, Expression first);
  static Expression with(Op op, size_t at, Expression first, Expression second);

  Document& document_;
  std::string_view source_;
  std::string_view close_;
  bool jinja_;
  size_t position_;
  std::optional<Token> next_;
  std::optional<Problem> problem_;
  bool trims_ = false;
  int depth_ = 0;
};

}  // namespace impulse::compose
