// Parser: recursive descent over the lexer's tokens.
//
//   statements = { statement }
//   statement  = ("include" | "readonly_include") path
//              | name "=" value
//              | name (array | dictionary)
//              | name [ instance ] [ "=" ] "{" statements "}"
//   value      = word | string | array | dictionary
//   array      = "(" [ value { [ "," ] value } [ "," ] ] ")"
//   dictionary = "[" [ entry { [ "," ] entry } [ "," ] ] "]"
//   entry      = key ( "=" value | array | dictionary )
//
// Line ends mean nothing, with one exception that catches a forgotten value:
// a bare word on the line behind "=" is the value only when it stands alone.
//
// A function that returns false has reported the mistake and left the parser
// where reading can go on: at the next statement, or at the brace that ends
// the scope.
#pragma once

#include "config/lexer.h"

#include <string>
#include <vector>

namespace impulse::config {

class Parser {
 public:
  // Levels of scopes and values within each other.
  static constexpr unsigned max_depth = 200;

  // The sink is borrowed.
  Parser(const Source& source, DiagnosticSink& sink);

  std::vector<Node> whole_text();
  // One value and nothing behind it.
  std::optional<RawValue> whole_value();
  // The words of a console line.
  std::vector<RawValue> whole_line();

 private:
  void advance(LexMode mode = LexMode::plain);
  void go_back_to(const Token& token, size_t end_before, LexMode mode = LexMode::plain);

  // Statements, into scratch_: parser.cc
  void statements(bool nested);
  bool statement();
  bool include(const Token& name);
  bool option(const Token& name);
  bool scope(const Token& name, const Token* instance);
  std::vector<Node> take_from(size_t base);
  void recover(unsigned open_values = 0);
  bool at_assignment();
  void skip_block();
  bool no_statement(const Token& name);
  bool no_scope(const Token& name, const Token& instance);
  bool value_missing(const Token& name, const Token& equals);

  // Values: parser_values.cc
  bool value(RawValue& out);
  bool array(RawValue& out);
  bool dictionary(RawValue& out);
  bool entry(RawValue& dictionary, const Token& open);
  bool starts_value() const;
  bool too_deep(const Token& token);

  // Messages
  std::string found() const;
  std::string quote_hint() const;
  bool fail(std::string expected, std::string hint = {});
  std::string text_of(const Token& token) const;  // unquoted

  DiagnosticSink& sink_;
  Lexer lexer_;
  Token token_;                     // the one to be looked at
  size_t previous_end_ = 0;         // of the token before it
  unsigned depth_ = 0;              // open braces, brackets and parentheses
  unsigned open_values_ = 0;        // open brackets and parentheses
  unsigned open_dictionaries_ = 0;  // open brackets
  Place long_string_;               // where the last string that spans lines began, and the line on which it ended
  uint32_t long_string_end_ = 0;
  bool after_value_ = false;       // the statement before was an option
  bool on_line_of_value_ = false;  // … and this one starts on the line where that one ended
  bool unclosed_reported_ = false;
  std::vector<Node> scratch_;  // of all open scopes, so that each body is allocated once, with its final size
};

}  // namespace impulse::config
